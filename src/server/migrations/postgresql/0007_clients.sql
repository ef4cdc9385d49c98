-- The confidential client that a session belongs to, and that has asked for a new password; NULL: a program of the person.
ALTER TABLE session ADD COLUMN client_id TEXT;
ALTER TABLE password_reset ADD COLUMN client_id TEXT;
