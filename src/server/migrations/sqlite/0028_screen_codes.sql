-- Codes are shown on screens, too. Such a code has no letter, and holds as long as the session in which it is shown.
CREATE TABLE device_code_of_either (
    code_id    TEXT PRIMARY KEY, -- a letter's code has the letter's
    letter_id  TEXT UNIQUE REFERENCES letter,
    session_id TEXT, -- the session, which may be forgotten before
    account_id INTEGER NOT NULL REFERENCES account,
    qr_id      TEXT NOT NULL,
    jwk        TEXT NOT NULL, -- JSON: its public key
    state      TEXT NOT NULL,
    failures   BIGINT NOT NULL,
    created    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    UNIQUE (account_id, qr_id),
    CHECK ((letter_id IS NULL) <> (session_id IS NULL))
);
INSERT INTO device_code_of_either
    (code_id, letter_id, session_id, account_id, qr_id, jwk, state, failures, created, expires_at)
    SELECT letter_id, letter_id, NULL, account_id, qr_id, jwk, state, failures, created, expires_at FROM device_code;
DROP TABLE device_code;
ALTER TABLE device_code_of_either RENAME TO device_code;
