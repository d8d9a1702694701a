-- transactional: false
ALTER TABLE main.entry DROP CONSTRAINT entry_amount_check;
DROP INDEX CONCURRENTLY main.account_email_key;
DROP INDEX CONCURRENTLY main.entry_amount_idx;
