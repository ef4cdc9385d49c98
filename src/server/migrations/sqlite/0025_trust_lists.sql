-- Trust lists that were taken, each once: packed (gzip) as it was received, with its detached signature (DER). `used`: a
-- device was bound with it, so that it stays for evidence.
CREATE TABLE trust_list (
    sha256    TEXT PRIMARY KEY,
    sequence  BIGINT NOT NULL,
    list      BLOB NOT NULL,
    signature BLOB NOT NULL,
    taken     BIGINT NOT NULL,
    used      BIGINT NOT NULL
);
