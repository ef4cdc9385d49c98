-- The pseudonym an entry names, by which its owner finds it.
ALTER TABLE audit ADD COLUMN person TEXT;
ALTER TABLE audit DISABLE TRIGGER audit_is_never_changed;
UPDATE audit SET person = CASE
    WHEN length(convert_from(entry, 'UTF8')::json ->> 'actor') = 43 THEN convert_from(entry, 'UTF8')::json ->> 'actor'
    WHEN length(convert_from(entry, 'UTF8')::json ->> 'object') = 43 THEN convert_from(entry, 'UTF8')::json ->> 'object'
    WHEN length(convert_from(entry, 'UTF8')::json ->> 'detail') = 43 THEN convert_from(entry, 'UTF8')::json ->> 'detail'
END;
ALTER TABLE audit ENABLE TRIGGER audit_is_never_changed;
CREATE INDEX audit_person ON audit (person, seq) WHERE person IS NOT NULL;

-- What the service has signed of the whole audit.
CREATE TABLE audit_head (
    seq  BIGINT NOT NULL, -- of the last entry
    at   BIGINT NOT NULL,
    head TEXT NOT NULL,   -- JWS
    PRIMARY KEY (seq, at)
);
CREATE INDEX audit_head_at ON audit_head (at, seq);
CREATE TRIGGER audit_head_is_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
