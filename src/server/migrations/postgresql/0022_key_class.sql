ALTER TABLE device ADD COLUMN key_class TEXT NOT NULL DEFAULT 'swk'; -- RFC 8176: swk or hwk
ALTER TABLE registration ADD COLUMN attestation TEXT; -- JSON: for which attestation key a credential was made
