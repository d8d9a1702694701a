-- transactional: false
CREATE INDEX CONCURRENTLY entry_amount_idx ON main.entry (main.slowly(amount));
INSERT INTO main.ran VALUES ('0003, between the indexes');
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS account_email_key ON main.account (lower(email)) WHERE main.slowly(id) > 0;
ALTER TABLE main.entry ADD CONSTRAINT entry_amount_check CHECK (amount > 0) NOT VALID;
ALTER TABLE main.entry VALIDATE CONSTRAINT entry_amount_check;
ALTER TYPE main.entry_kind ADD VALUE 'correction';
VACUUM main.account;
