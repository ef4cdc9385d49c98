-- The device that a registration binds anew; NULL: it makes one.
ALTER TABLE registration ADD COLUMN rebinds TEXT;

-- What a binding rested on before the card bound the device anew, and when it did: what was decided until then still
-- rests on it. The newest is with the device.
CREATE TABLE device_binding (
    registration_id TEXT PRIMARY KEY,
    device_id       TEXT NOT NULL REFERENCES device,
    method          TEXT NOT NULL,
    replaced_at     BIGINT NOT NULL,
    evidence        TEXT NOT NULL
);
CREATE INDEX device_binding_device ON device_binding (device_id, replaced_at);
