-- transactional: false
CREATE INDEX CONCURRENTLY entry_amount_idx ON main.entry (main.slowly(amount));
DROP INDEX CONCURRENTLY main.ledger_2024_01_id_idx;
ALTER TABLE main.ledger ATTACH PARTITION main.ledger_2024_01 FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
