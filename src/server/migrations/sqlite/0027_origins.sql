-- Who has submitted it: JSON; none where no session did.
ALTER TABLE application ADD COLUMN origin TEXT;
