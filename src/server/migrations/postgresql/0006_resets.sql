-- Challenges of logins with the card that were used, and whose logins they were: none is taken twice, ten come in a day.
CREATE TABLE card_login (
    challenge  TEXT PRIMARY KEY,
    account_id BIGINT REFERENCES account,
    used       BIGINT NOT NULL
);
CREATE INDEX card_login_account ON card_login (account_id, used);

-- Statements of identity providers that were taken, as long as they could come again.
CREATE TABLE ident_statement (
    iss        TEXT NOT NULL,
    jti        TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (iss, jti)
);

-- Requests for a new password without the old one, of everybody: whether there is such an account shows afterwards.
CREATE TABLE password_reset (
    reset_id       TEXT PRIMARY KEY,
    kvnr           TEXT NOT NULL,
    way            TEXT NOT NULL,
    jkt            TEXT NOT NULL, -- of the session key that asked
    state          TEXT NOT NULL,
    match_code     TEXT NOT NULL,
    created        BIGINT NOT NULL,
    account_id     BIGINT REFERENCES account,
    share          TEXT,          -- jkt of a client that was logged in before, else 'stranger'
    application_id TEXT REFERENCES application
);
CREATE INDEX password_reset_account ON password_reset (account_id, share, created);
CREATE INDEX password_reset_state ON password_reset (state, created);
