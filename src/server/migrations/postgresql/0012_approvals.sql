-- What the person has decided: approve, deny, not_me. NULL: nothing yet, or before this was kept.
ALTER TABLE application ADD COLUMN verdict TEXT;
