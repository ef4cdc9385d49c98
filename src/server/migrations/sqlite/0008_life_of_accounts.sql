-- When somebody logged in for the first time: whatever was forgotten since, a new client is news from then on.
ALTER TABLE account ADD COLUMN first_login BIGINT;
UPDATE account SET first_login = (SELECT MIN(first_login) FROM known_client WHERE known_client.account_id = account.account_id);
UPDATE account SET first_login = created WHERE first_login IS NULL
    AND account_id IN (SELECT account_id FROM password WHERE pepper IS NOT NULL);

-- Accounts that open again when membership goes on.
CREATE INDEX account_closed ON account (membership_end) WHERE state = 'closed';

-- The language of title and text, and so of all that stands around them.
ALTER TABLE letter ADD COLUMN language TEXT NOT NULL DEFAULT 'de';

-- Where a notice went is forgotten when it is there.
UPDATE notice SET recipient = '' WHERE state IN ('sent', 'failed');
