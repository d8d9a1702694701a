-- index: orders_user_id_id_idx
SELECT o.id, o.state, o.total
FROM orders.orders AS o
WHERE o.user_id = 7 AND o.id < ops.id_floor(now() - interval '1 day')
ORDER BY o.id DESC
LIMIT 20
-- index: orders_expires_at_idx
SELECT o.id
FROM orders.orders AS o
WHERE o.state = 'pending' AND o.expires_at <= now()
ORDER BY o.expires_at
LIMIT 100
FOR NO KEY UPDATE SKIP LOCKED
-- index: orders_currency_idx
SELECT EXISTS (SELECT FROM orders.orders AS o WHERE o.currency = 'KWD')
-- index: idempotency_keys_expires_at_idx
SELECT k.user_id, k.scope, k.key
FROM orders.idempotency_keys AS k
WHERE k.expires_at <= now()
ORDER BY k.expires_at
LIMIT 1000
FOR UPDATE SKIP LOCKED
-- index: outbox_events_epoch_xid_key_seq_idx
SELECT e.*
FROM orders.outbox_events AS e
WHERE (e.epoch, e.xid, e.key_seq) > (1, '500', 50000) AND (e.epoch, e.xid) < (1, pg_snapshot_xmin(pg_current_snapshot()))
ORDER BY e.epoch, e.xid, e.key_seq
LIMIT 1000
-- index: outbox_deliveries_consumer_priority_run_at_key_seq_idx
SELECT d.event_id
FROM orders.outbox_deliveries AS d
WHERE d.consumer = 't' AND d.priority = 5 AND d.run_at <= now() AND NOT d.is_waiting AND d.died_at IS NULL
ORDER BY d.run_at, d.key_seq
LIMIT 100
FOR NO KEY UPDATE SKIP LOCKED
-- index: outbox_deliveries_consumer_died_at_idx
SELECT d.event_id
FROM orders.outbox_deliveries AS d
WHERE d.consumer = 't' AND d.died_at IS NOT NULL
ORDER BY d.partition_key, d.key_seq
LIMIT 100
-- index: outbox_deliveries_partition_key_consumer_key
-- refuses
UPDATE orders.outbox_deliveries AS d
SET lease_token = gen_random_uuid(), worker = 'w', is_waiting = FALSE
WHERE d.consumer = 't' AND d.partition_key = 'key 1' AND d.died_at IS NULL
-- index: order_pending_slots_order_id_key
DELETE FROM orders.order_pending_slots AS s
WHERE s.order_id = '01900000-0000-7000-8000-000000004711'
-- index: outbox_deliveries_partition_key_consumer_key_seq_key
SELECT d.event_id
FROM orders.outbox_deliveries AS d
WHERE d.partition_key = 'key 7' AND d.consumer = 't'
ORDER BY d.key_seq
LIMIT 1
