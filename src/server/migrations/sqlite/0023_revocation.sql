-- When the issuer of the card that has bound a device is asked again whether it was revoked (seconds since 1970).
ALTER TABLE device ADD COLUMN revocation_due BIGINT;
