-- The service's shares in device PINs: one for each registration, which its device takes over; a second one while the PIN
-- is changed. One that is erased is no row any more.
CREATE TABLE pin_share (
    voprf_pk        TEXT PRIMARY KEY,
    registration_id TEXT,
    device_id       TEXT REFERENCES device,
    number          BIGINT NOT NULL, -- of the shares of a device: the newest is the greatest
    key_id          TEXT NOT NULL,   -- of the key in the key file that it is wrapped under
    wrapped         TEXT NOT NULL    -- nonce and AES-256-GCM, base64url
);
CREATE INDEX pin_share_registration ON pin_share (registration_id);
CREATE INDEX pin_share_device ON pin_share (device_id);

-- Evaluations for devices. One that has a number and no confirmation counts: it was a wrong PIN, or somebody else's.
CREATE TABLE pin_attempt (
    attempt_id     TEXT PRIMARY KEY,
    device_id      TEXT NOT NULL REFERENCES device,
    number         BIGINT NOT NULL,  -- 0 where the device key had asked: nothing was guessed
    voprf_pk       TEXT NOT NULL,
    blinded_sha256 TEXT NOT NULL,
    at             BIGINT NOT NULL,
    confirmed_at   BIGINT,
    wrong_before   BIGINT,           -- what the confirmation was answered with
    UNIQUE (device_id, blinded_sha256)
);

ALTER TABLE registration ADD COLUMN pin_blinded_sha256 TEXT;

-- Number of the last attempt, and of the last one that was confirmed.
ALTER TABLE device ADD COLUMN pin_attempts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE device ADD COLUMN pin_confirmed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE device ADD COLUMN pin_confirmed_at BIGINT;
-- When what is unconfirmed then is wrong for sure.
ALTER TABLE device ADD COLUMN pin_settle_at BIGINT;
-- Of which confirmation's wrong PINs, and of how many tens unconfirmed ones, the owner was told.
ALTER TABLE device ADD COLUMN pin_told_since BIGINT NOT NULL DEFAULT -1;
ALTER TABLE device ADD COLUMN pin_told_tens BIGINT NOT NULL DEFAULT 0;
CREATE INDEX device_pin_settle ON device (pin_settle_at);
