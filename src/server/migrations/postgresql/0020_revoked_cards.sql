-- Cards that were reported lost: none of this person whose certificate begins before cards_from (seconds since 1970) is taken,
-- nor the chip of the card whose number the register had then.
ALTER TABLE account ADD COLUMN cards_from BIGINT;
ALTER TABLE account ADD COLUMN revoked_iccsn TEXT;
