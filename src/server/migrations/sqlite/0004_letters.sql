-- What the register said of a person at the last import, as hashes: only what it has changed since is changed here.
-- NULL: the account was made by an older version.
ALTER TABLE account ADD COLUMN register_hashes TEXT;
-- For two weeks after a change, letters go to the address before.
ALTER TABLE account ADD COLUMN former_address TEXT; -- JSON
ALTER TABLE account ADD COLUMN address_changed BIGINT;

-- Address, title and text are there until the letter is; then it is the print service's.
CREATE TABLE letter (
    letter_id    TEXT PRIMARY KEY, -- 128 random bits in hexadecimal: the name of the file
    account_id   INTEGER NOT NULL REFERENCES account,
    kind         TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    state        TEXT NOT NULL,
    address      TEXT,             -- JSON
    title        TEXT,
    text         TEXT,
    created      BIGINT NOT NULL,
    done         BIGINT,
    batch        TEXT,             -- the folder it was created in
    failure      TEXT
);
CREATE INDEX letter_state ON letter (state, created, letter_id);
CREATE INDEX letter_account ON letter (account_id, created);
CREATE INDEX letter_batch ON letter (batch);
