-- What had opened the session in which the code was shown on a screen that has bound the device; none of other devices.
ALTER TABLE device ADD COLUMN code_shown_by TEXT;
-- Whether the device had to wait when it was bound; one that had not does not wait when it is unlocked.
ALTER TABLE device ADD COLUMN waits BIGINT NOT NULL DEFAULT 1;
UPDATE device SET waits = 0 WHERE binding_level = 'B3';
