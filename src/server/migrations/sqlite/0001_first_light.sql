-- Identifiers, hashes and keys are base64url text, times are seconds since 1970 (UTC), documents are kept as bytes.

CREATE TABLE account (
    account_id       INTEGER PRIMARY KEY,
    kvnr             TEXT NOT NULL UNIQUE,
    given_name       TEXT NOT NULL,
    family_name      TEXT NOT NULL,
    birth_date       TEXT NOT NULL,
    address          TEXT NOT NULL, -- JSON
    bank_account     TEXT,          -- JSON
    membership_start TEXT NOT NULL, -- YYYY-MM-DD
    password_hash    TEXT NOT NULL, -- PHC string
    created          BIGINT NOT NULL
);

CREATE TABLE session (
    token_sha256 TEXT PRIMARY KEY,
    account_id   INTEGER NOT NULL REFERENCES account,
    created      BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);

CREATE TABLE registration (
    registration_id      TEXT PRIMARY KEY,
    account_id           INTEGER NOT NULL REFERENCES account,
    state                TEXT NOT NULL,
    method               TEXT NOT NULL,
    jkt                  TEXT NOT NULL,
    commitment           TEXT NOT NULL,
    device_information   TEXT NOT NULL, -- JSON
    created              BIGINT NOT NULL,
    expires_at           BIGINT NOT NULL,
    challenge            TEXT,
    challenge_expires_at BIGINT,
    device_id            TEXT
);
CREATE INDEX registration_account ON registration (account_id, created);

-- A revoked device stays as a tombstone: its key and its key identifier are never taken again.
CREATE TABLE device (
    device_id      TEXT PRIMARY KEY,
    account_id     INTEGER NOT NULL REFERENCES account,
    state          TEXT NOT NULL,
    name           TEXT NOT NULL,
    method         TEXT NOT NULL,
    binding_level  TEXT NOT NULL,
    jkt            TEXT NOT NULL UNIQUE,
    jwk            TEXT NOT NULL, -- JSON
    transport_jwk  TEXT NOT NULL, -- JSON
    key_identifier TEXT NOT NULL,
    active_from    BIGINT NOT NULL,
    evidence       TEXT NOT NULL, -- JSON
    UNIQUE (account_id, key_identifier)
);

-- An application and its approval: one is never without the other.
CREATE TABLE application (
    application_id TEXT PRIMARY KEY,
    approval_id    TEXT NOT NULL UNIQUE,
    account_id     INTEGER NOT NULL REFERENCES account,
    kind           TEXT NOT NULL,
    state          TEXT NOT NULL,
    document       BLOB NOT NULL,
    challenge      TEXT NOT NULL,
    match_code     TEXT NOT NULL,
    wrong_codes    INTEGER NOT NULL,
    created        BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    device_id      TEXT REFERENCES device,
    evidence       TEXT, -- JSON
    execute_at     BIGINT
);
CREATE INDEX application_account ON application (account_id, created);
CREATE INDEX application_due ON application (state, execute_at, expires_at);

-- Append-only: each entry holds the hash of the one before.
CREATE TABLE audit (
    seq    INTEGER PRIMARY KEY,
    entry  BLOB NOT NULL,
    sha256 TEXT NOT NULL
);
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
