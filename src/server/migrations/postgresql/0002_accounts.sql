-- Accounts have states; passwords lie apart from them, under a pepper; tries are counted.

-- Who had a password before had the own one at once.
ALTER TABLE account ADD COLUMN state TEXT NOT NULL DEFAULT 'registered';
ALTER TABLE account ADD COLUMN membership_end TEXT; -- YYYY-MM-DD, the last day
UPDATE account SET state = 'active';
CREATE INDEX account_ending ON account (membership_end) WHERE state <> 'closed';

CREATE TABLE password (
    account_id  BIGINT PRIMARY KEY REFERENCES account,
    password_id TEXT NOT NULL, -- another one for every password; hashing it anew keeps it
    phc         TEXT NOT NULL, -- PHC string
    pepper      TEXT,          -- NULL: of the password itself, as the register or an older version made it
    changed     BIGINT NOT NULL
);
INSERT INTO password (account_id, password_id, phc, changed)
    SELECT account_id, 'v1-' || account_id, password_hash, created FROM account;
ALTER TABLE account DROP COLUMN password_hash;
CREATE INDEX password_brought ON password (account_id) WHERE pepper IS NULL;

-- Hashes without pepper are made in these ways; phc is of nobody's password, to be compared where there is none.
CREATE TABLE password_scheme (
    scheme TEXT PRIMARY KEY,
    phc    TEXT NOT NULL
);
-- The one of version 1.
INSERT INTO password_scheme (scheme, phc) SELECT 'argon2id m=65536 t=3 p=1 32',
    '$argon2id$v=19$m=65536,t=3,p=1$a2FydGVuYnVuZC1ub25l$xK8L0h6oZ7S0xX2Y2m4tZbJ8g6T8k3y7oQm5n1v9w0s'
    WHERE EXISTS (SELECT 1 FROM password);

CREATE TABLE initial_password (
    mac        TEXT PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES account,
    pepper     TEXT NOT NULL,
    created    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT,
    used_by    TEXT -- thumbprint of the session key
);
CREATE INDEX initial_password_account ON initial_password (account_id);

-- Accounts and sources are pseudonyms, clients are thumbprints of session keys; '' stands for all unknown ones.
CREATE TABLE login_bucket (
    account  TEXT NOT NULL,
    client   TEXT NOT NULL,
    failures BIGINT NOT NULL,
    last_try BIGINT NOT NULL,
    next_try BIGINT NOT NULL,
    PRIMARY KEY (account, client)
);
CREATE INDEX login_bucket_last ON login_bucket (last_try);
CREATE TABLE login_try (
    try_id TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    at     BIGINT NOT NULL
);
CREATE INDEX login_try_source ON login_try (source, at);
CREATE INDEX login_try_at ON login_try (at);
