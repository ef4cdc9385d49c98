-- Since when the mail server says no to a notice (seconds since 1970), without the time in which it was out of reach: five days
-- are counted from there.
ALTER TABLE notice ADD COLUMN refused_since BIGINT;
