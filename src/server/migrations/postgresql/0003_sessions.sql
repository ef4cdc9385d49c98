-- Sessions are bound to a key of the client (RFC 9449) and have tokens that nobody needs to keep: whoever is logged in
-- logs in once more.
DROP TABLE session;

CREATE TABLE session (
    session_id  TEXT PRIMARY KEY,
    account_id  BIGINT NOT NULL REFERENCES account,
    state       TEXT NOT NULL,
    method      TEXT NOT NULL,
    jkt         TEXT NOT NULL,
    client_name TEXT,
    generation  BIGINT NOT NULL, -- how often its tokens were renewed
    created     BIGINT NOT NULL,
    refreshed   BIGINT NOT NULL, -- when they were renewed last
    expires_at  BIGINT NOT NULL, -- when it ends whatever is done
    minute      BIGINT NOT NULL, -- in which new tokens were asked for last, since 1970
    refreshes   BIGINT NOT NULL  -- how often in it
);
CREATE INDEX session_account ON session (account_id, state);
CREATE INDEX session_expiry ON session (expires_at);

-- Proofs that were taken and could be taken once more: SHA-256 of key and number.
CREATE TABLE used_jti (
    proof      TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX used_jti_expiry ON used_jti (expires_at);

-- Keys of clients that have logged in to an account before.
CREATE TABLE known_client (
    account_id  BIGINT NOT NULL REFERENCES account,
    jkt         TEXT NOT NULL,
    first_login BIGINT NOT NULL,
    PRIMARY KEY (account_id, jkt)
);
