-- Challenges of logins with a device that were used, until nobody could use them again; with the device, once one has
-- signed, for its limit in a minute.
CREATE TABLE device_login (
    challenge TEXT PRIMARY KEY,
    device_id TEXT,
    used BIGINT NOT NULL
);
CREATE INDEX device_login_device ON device_login (device_id, used);

-- The device that has opened a session for its own program; the session is as good as what the device may do.
ALTER TABLE session ADD COLUMN device_id TEXT;
