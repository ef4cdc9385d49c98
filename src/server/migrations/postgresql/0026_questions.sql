-- How often a responder was asked about the card of this registration.
ALTER TABLE registration ADD COLUMN asked BIGINT NOT NULL DEFAULT 0;
