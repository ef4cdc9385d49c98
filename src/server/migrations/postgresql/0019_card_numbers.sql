-- The number (ICCSN) of the card that the insurer has given a member, as its register says: whoever is logged in registers a
-- computer with its chip, without the card PIN.
ALTER TABLE account ADD COLUMN iccsn TEXT;
