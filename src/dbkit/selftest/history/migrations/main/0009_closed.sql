ALTER TABLE main.account ADD COLUMN closed boolean NOT NULL DEFAULT FALSE;
UPDATE main.account SET closed = main.slowly(id) % 2 = 0;
COMMENT ON COLUMN main.account.closed IS 'No entries any more.';
INSERT INTO main.ran VALUES ('0009');
