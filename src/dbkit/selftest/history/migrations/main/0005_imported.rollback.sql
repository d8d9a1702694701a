ALTER TABLE main.account ALTER COLUMN balance DROP NOT NULL;
DROP TABLE main.imported;
