-- Where notices go, and in which language; kinds that are switched off, with blanks between them.
ALTER TABLE account ADD COLUMN email TEXT;
ALTER TABLE account ADD COLUMN language TEXT NOT NULL DEFAULT 'de';
ALTER TABLE account ADD COLUMN notices_off TEXT NOT NULL DEFAULT '';

-- What a person is told by e-mail. Queued in the transaction of what it tells about; the recipient is the one of that moment.
CREATE TABLE notice (
    notice_id     TEXT PRIMARY KEY,
    account_id    BIGINT NOT NULL REFERENCES account,
    kind          TEXT NOT NULL,
    recipient     TEXT NOT NULL, -- e-mail address
    language      TEXT NOT NULL,
    created       BIGINT NOT NULL,
    state         TEXT NOT NULL, -- queued, sending, sent, failed
    attempts      BIGINT NOT NULL,
    due           BIGINT NOT NULL,
    claimed_until BIGINT,
    sent          BIGINT,
    last_error    TEXT           -- a code, without personal data
);
CREATE INDEX notice_due ON notice (state, due);
