\set key random(1, 20000)
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
SELECT 'order', k.key, 'order.created', '{"total": 5000, "currency": "USD"}', k.key
FROM (SELECT (n * 20000 / :batch + :key)::text AS key FROM generate_series(1, :batch) AS n) AS k
ORDER BY k.key COLLATE "C"
