-- transactional: false
ALTER TABLE main.ledger DETACH PARTITION main.ledger_2024_01 CONCURRENTLY;
INSERT INTO main.ran VALUES ('0008, between detach and reindex');
REINDEX INDEX CONCURRENTLY main.entry_amount_idx;
CREATE INDEX CONCURRENTLY ledger_2024_01_id_idx ON main.ledger_2024_01 (main.slowly(id::integer));
DROP INDEX CONCURRENTLY main.entry_amount_idx;
