-- Codes of letters with which devices are registered. The secret of a code stands in its letter and nowhere else.
CREATE TABLE device_code (
    letter_id  TEXT PRIMARY KEY REFERENCES letter,
    account_id INTEGER NOT NULL REFERENCES account,
    qr_id      TEXT NOT NULL,
    jwk        TEXT NOT NULL, -- JSON: its public key
    state      TEXT NOT NULL,
    failures   BIGINT NOT NULL,
    created    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    UNIQUE (account_id, qr_id)
);

-- Devices that wait to be active.
CREATE INDEX device_wait ON device (active_from) WHERE state = 'pending_wait';
