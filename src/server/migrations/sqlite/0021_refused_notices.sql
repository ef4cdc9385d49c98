-- Since when the mail server has said no to a notice and nothing but no (seconds since 1970): five days are counted from there,
-- not from a time in which it was down.
ALTER TABLE notice ADD COLUMN refused_since INTEGER;
