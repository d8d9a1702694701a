-- backfill: key=id batch=60
INSERT INTO main.ledger (id, day, amount)
SELECT e.id, e.day, main.slowly(e.amount) FROM main.entry AS e;
