-- Codes are shown on screens, too. Such a code has no letter, and holds as long as the session in which it is shown.
ALTER TABLE device_code ADD COLUMN code_id TEXT; -- a letter's code has the letter's
ALTER TABLE device_code ADD COLUMN session_id TEXT; -- the session, which may be forgotten before
UPDATE device_code SET code_id = letter_id;
ALTER TABLE device_code DROP CONSTRAINT device_code_pkey;
ALTER TABLE device_code ADD PRIMARY KEY (code_id);
ALTER TABLE device_code ALTER COLUMN letter_id DROP NOT NULL;
ALTER TABLE device_code ADD UNIQUE (letter_id);
ALTER TABLE device_code ADD CHECK ((letter_id IS NULL) <> (session_id IS NULL));
