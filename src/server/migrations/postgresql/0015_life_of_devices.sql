-- When the time of a device ends, and whether its owner was told that it soon does. Those that are there have half a year.
ALTER TABLE device ADD COLUMN expires_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE device ADD COLUMN expiry_told BIGINT NOT NULL DEFAULT 0;
UPDATE device SET expires_at = active_from + 183 * 86400;
CREATE INDEX device_expiry ON device (expires_at) WHERE state IN ('active', 'locked');

-- SHA-256 of the code with which, and with nothing else, all devices of an account are locked.
CREATE TABLE revocation_code (
    account_id BIGINT PRIMARY KEY REFERENCES account,
    sha256     TEXT NOT NULL UNIQUE,
    created    BIGINT NOT NULL
);
