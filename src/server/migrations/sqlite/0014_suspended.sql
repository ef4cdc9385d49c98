-- What an account was before it was suspended, as long as it is: also where its membership has ended meanwhile.
ALTER TABLE account ADD COLUMN suspended_from TEXT;
UPDATE account SET suspended_from = CASE
    WHEN EXISTS (SELECT 1 FROM password WHERE password.account_id = account.account_id) THEN 'active'
    ELSE 'registered' END
WHERE state = 'suspended';
