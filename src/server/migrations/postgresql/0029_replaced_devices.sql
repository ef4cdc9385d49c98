-- The devices whose place the new one takes: JSON; none where it takes none.
ALTER TABLE registration ADD COLUMN replaces TEXT;
