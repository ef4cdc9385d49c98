-- The pseudonym an entry names, by which its owner finds it.
ALTER TABLE audit ADD COLUMN person TEXT;
DROP TRIGGER audit_is_never_changed;
UPDATE audit SET person = CASE
    WHEN length(json_extract(CAST(entry AS TEXT), '$.actor')) = 43 THEN json_extract(CAST(entry AS TEXT), '$.actor')
    WHEN length(json_extract(CAST(entry AS TEXT), '$.object')) = 43 THEN json_extract(CAST(entry AS TEXT), '$.object')
    WHEN length(json_extract(CAST(entry AS TEXT), '$.detail')) = 43 THEN json_extract(CAST(entry AS TEXT), '$.detail')
END;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE INDEX audit_person ON audit (person, seq) WHERE person IS NOT NULL;

-- What the service has signed of the whole audit.
CREATE TABLE audit_head (
    seq  INTEGER NOT NULL, -- of the last entry
    at   BIGINT NOT NULL,
    head TEXT NOT NULL,    -- JWS
    PRIMARY KEY (seq, at)
);
CREATE INDEX audit_head_at ON audit_head (at, seq);
CREATE TRIGGER audit_head_is_never_changed BEFORE UPDATE ON audit_head
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_head_is_never_deleted BEFORE DELETE ON audit_head
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
