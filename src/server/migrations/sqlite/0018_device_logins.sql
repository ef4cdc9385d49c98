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

-- Browsers that ask the devices of an account to be let in, whether there is such an account or not.
CREATE TABLE web_login (
    login_id TEXT PRIMARY KEY,
    kvnr TEXT NOT NULL,
    jkt TEXT NOT NULL,
    client_id TEXT NOT NULL,
    website TEXT NOT NULL,
    browser TEXT,
    network TEXT NOT NULL,
    state TEXT NOT NULL,
    match_code TEXT NOT NULL,
    created BIGINT NOT NULL,
    account_id BIGINT,
    -- Whose share of the account it counts for: a known client's, or that of all strangers.
    share TEXT,
    application_id TEXT
);
CREATE INDEX web_login_state ON web_login (state, created);
CREATE INDEX web_login_account ON web_login (account_id, share, created);
CREATE INDEX web_login_kvnr ON web_login (kvnr);
