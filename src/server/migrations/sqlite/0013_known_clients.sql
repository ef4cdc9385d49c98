-- The client that was not used for longest is forgotten first, not the one that was new first.
ALTER TABLE known_client RENAME COLUMN first_login TO last_login;
