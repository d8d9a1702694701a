-- 100,000 orders of 23 days, of 20,000 users; one in a hundred pending, one in a thousand in dinars.
INSERT INTO orders.orders (
    id, user_id, order_number, state, currency, item_count, subtotal, discount, tax, total, recipient_name,
    shipping_address, shipping_country, contact_email, expires_at, created_at
)
SELECT
    ops.id_floor(now() - n * interval '20 seconds'), n % 20000, lpad(n::text, 10, '0'),
    CASE WHEN n % 100 = 0 THEN 'pending' ELSE 'delivered' END,
    CASE WHEN n % 1000 = 0 THEN 'KWD' ELSE 'USD' END,
    1, 5000, 0, 0, 5000, 'Ada', '{}', 'GB', 'ada@example.com',
    now() - n * interval '20 seconds' + interval '30 minutes', now() - n * interval '20 seconds'
FROM generate_series(1, 100000) AS n;
INSERT INTO orders.order_numbers (order_number, order_id) SELECT o.order_number, o.id FROM orders.orders AS o;
INSERT INTO orders.order_items (order_id, line_number, product_id, product_name, quantity, unit_price)
SELECT o.id, 1, 1, 'Lamp', 1, 5000 FROM orders.orders AS o;
INSERT INTO orders.order_status_history (order_id, order_version, from_state, to_state, reason, actor)
SELECT o.id, 1, 'new', 'pending', 'order_placed', 'customer' FROM orders.orders AS o;
INSERT INTO orders.order_notes (order_id, author, is_internal, body)
SELECT o.id, 'staff', TRUE, 'Call first.' FROM orders.orders AS o;
INSERT INTO orders.order_fulfillment (order_id, parcel_number, carrier) SELECT o.id, 1, 'post' FROM orders.orders AS o;
INSERT INTO orders.order_pending_slots (user_id, slot, order_id)
SELECT o.user_id, row_number() OVER (PARTITION BY o.user_id), o.id FROM orders.orders AS o;
INSERT INTO orders.idempotency_keys (
    user_id, scope, key, request_hash, claim_token, claimed_at, response, completed_at, expires_at
)
SELECT
    o.user_id, 'create_order', o.order_number, sha256('body'), gen_random_uuid(), o.created_at, '{}', o.created_at,
    o.created_at + interval '23 days'
FROM orders.orders AS o;
-- 100,000 events of 20,000 keys in 1,000 transactions, half for each of two consumers; of the heads one in a thousand is
-- dead, one in a hundred leased.
INSERT INTO orders.outbox_consumers (name) VALUES ('t'), ('u');
INSERT INTO orders.outbox_events (
    id, aggregatetype, aggregateid, type, payload, partition_key, key_seq, xid, epoch, created_at
)
SELECT
    o.id, 'order', o.id, 'order.created', '{}', 'key ' || n.n % 20000, n.n, (n.n / 100)::text::xid8, 1, o.created_at
FROM orders.orders AS o
CROSS JOIN LATERAL (SELECT o.order_number::bigint AS n) AS n;
INSERT INTO orders.outbox_deliveries (
    event_id, event_created_at, key_seq, run_at, lease_token, worker, died_at, priority, is_waiting, consumer, partition_key
)
SELECT
    e.id, e.created_at, e.key_seq,
    CASE WHEN e.key_seq % 100 = 1 THEN now() + interval '1 minute' ELSE e.created_at END,
    CASE WHEN e.key_seq % 100 = 1 AND e.key_seq <= 20000 THEN gen_random_uuid() END,
    CASE WHEN e.key_seq % 100 = 1 AND e.key_seq <= 20000 THEN 'w' END,
    CASE WHEN e.key_seq % 1000 = 3 AND e.key_seq <= 20000 THEN now() END,
    5, e.key_seq > 20000, CASE e.key_seq % 2 WHEN 1 THEN 't' ELSE 'u' END, e.partition_key
FROM orders.outbox_events AS e;
INSERT INTO orders.outbox_dead_letters (
    consumer, event_id, event_created_at, partition_key, key_seq, priority, attempts, died_at
)
SELECT 't', e.id, e.created_at, e.partition_key, e.key_seq, 5, 12, now() FROM orders.outbox_events AS e;
