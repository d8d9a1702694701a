ALTER TABLE main.account DROP COLUMN closed;
