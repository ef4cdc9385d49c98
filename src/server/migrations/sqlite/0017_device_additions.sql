-- Devices that another one is to add: the approval that was put up for a registration, and the nonces of both computers
-- in the string that the person compares. That of the new one (d) is shown when the old one (o) has given its own.
CREATE TABLE device_addition (
    registration_id TEXT PRIMARY KEY,
    approval_id TEXT NOT NULL UNIQUE,
    nonce_o TEXT,
    nonce_d TEXT
);
