-- test: a confirmed reservation leaves as a sale, once
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 4}]'
) AS r;

SELECT r.state FROM inventory.confirm_reservation('00000000-0000-7000-8000-000000900001') AS r;
CREATE TEMP TABLE wrong (finding jsonb);
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.confirm_reservation('00000000-0000-7000-8000-000000900001') AS r
WHERE NOT (r.is_confirmed AND r.state = 'confirmed');
INSERT INTO wrong
SELECT to_jsonb(s) FROM inventory.inventory_stock AS s
WHERE s.product_id = 900001 AND (s.available, s.reserved, s.total) <> (6, 0, 6);
INSERT INTO wrong
SELECT to_jsonb(m) FROM inventory.inventory_movements AS m
WHERE m.reference = '00000000-0000-7000-8000-000000900001' AND (m.kind, m.quantity) <> ('sale', -4);
INSERT INTO wrong
SELECT to_jsonb(s) FROM inventory.inventory_reservation_slots AS s WHERE s.user_id = 900001;
INSERT INTO wrong
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;
SELECT w.finding FROM wrong AS w;

-- test: a released reservation gives its stock and slot back, once
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 4}]'
) AS r;

SELECT r.state FROM inventory.release_reservation('00000000-0000-7000-8000-000000900001') AS r;
CREATE TEMP TABLE wrong (finding jsonb);
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.release_reservation('00000000-0000-7000-8000-000000900001') AS r
WHERE NOT (r.is_released AND r.state = 'released');
INSERT INTO wrong
SELECT to_jsonb(s) FROM inventory.inventory_stock AS s
WHERE s.product_id = 900001 AND (s.available, s.reserved, s.total) <> (10, 0, 10);
INSERT INTO wrong
SELECT to_jsonb(s) FROM inventory.inventory_reservation_slots AS s WHERE s.user_id = 900001;
INSERT INTO wrong
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;
SELECT w.finding FROM wrong AS w;

-- test: what was sold is not released, what was released is not sold
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 4}]'
) AS r;

SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900002', 900001, '[{"product_id": 900001, "quantity": 1}]'
) AS r;
SELECT r.state FROM inventory.confirm_reservation('00000000-0000-7000-8000-000000900001') AS r;
SELECT r.state FROM inventory.release_reservation('00000000-0000-7000-8000-000000900002') AS r;
CREATE TEMP TABLE wrong (finding jsonb);
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.release_reservation('00000000-0000-7000-8000-000000900001') AS r
WHERE r.is_released OR r.state <> 'confirmed';
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.confirm_reservation('00000000-0000-7000-8000-000000900002') AS r
WHERE r.is_confirmed OR r.state <> 'released';
SELECT w.finding FROM wrong AS w;

-- test: an overdue reservation cannot be confirmed and expires when it is tried
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 4}]'
) AS r;

UPDATE inventory.inventory_reservations SET expires_at = now()
WHERE order_id = '00000000-0000-7000-8000-000000900001';
SELECT to_jsonb(r) FROM inventory.confirm_reservation('00000000-0000-7000-8000-000000900001') AS r
WHERE r.is_confirmed OR r.state <> 'expired';

-- test: an overdue reservation expires only once its time has come
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 4}]'
) AS r;

SELECT n FROM inventory.cleanup_expired_reservations() AS n;
SELECT r.* FROM inventory.inventory_reservations AS r
WHERE r.order_id = '00000000-0000-7000-8000-000000900001' AND r.state <> 'held';

-- test: cleanup takes the longest overdue first, as many as asked for
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM generate_series(1, 3) AS n
CROSS JOIN LATERAL inventory.reserve_inventory(
    ('00000000-0000-7000-8000-00000090000' || n)::uuid, 900001,
    '[{"product_id": 900001, "quantity": 1}]'
) AS r;
UPDATE inventory.inventory_reservations AS r
SET expires_at = timestamptz '2000-01-01'
    + make_interval(days => right(r.order_id::text, 1)::integer)
WHERE r.user_id = 900001;
SELECT to_jsonb(n) FROM inventory.cleanup_expired_reservations(2) AS n WHERE n <> 2;
SELECT to_jsonb(r) FROM inventory.inventory_reservations AS r
WHERE r.user_id = 900001
    AND r.state <> CASE right(r.order_id::text, 1) WHEN '3' THEN 'held' ELSE 'expired' END
UNION ALL
SELECT to_jsonb(s) FROM inventory.inventory_stock AS s
WHERE s.product_id = 900001 AND s.reserved <> 1
UNION ALL
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;

-- test: a batch of none is refused
-- raises: SH481
SELECT inventory.cleanup_expired_reservations(0);

-- test: confirming an order without a reservation is an error
-- raises: SH206
SELECT r.state FROM inventory.confirm_reservation('00000000-0000-7000-8000-000000900001') AS r;

-- test: releasing an order without a reservation is an error
-- raises: SH206
SELECT r.state FROM inventory.release_reservation('00000000-0000-7000-8000-000000900001') AS r;

-- test: a reservation cannot go from released to confirmed
-- raises: SH205
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 4}]'
) AS r;

UPDATE inventory.inventory_reservations SET state = 'released', settled_at = now()
WHERE order_id = '00000000-0000-7000-8000-000000900001';
UPDATE inventory.inventory_reservations
SET state = 'confirmed', settled_at = now() WHERE order_id = '00000000-0000-7000-8000-000000900001';

-- test: a reservation cannot go from confirmed to held
-- raises: SH205
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 4}]'
) AS r;

UPDATE inventory.inventory_reservations SET state = 'confirmed', settled_at = now()
WHERE order_id = '00000000-0000-7000-8000-000000900001';
UPDATE inventory.inventory_reservations
SET state = 'held', settled_at = NULL WHERE order_id = '00000000-0000-7000-8000-000000900001';

-- test: a reservation cannot go from confirmed to released
-- raises: SH205
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 4}]'
) AS r;

UPDATE inventory.inventory_reservations SET state = 'confirmed', settled_at = now()
WHERE order_id = '00000000-0000-7000-8000-000000900001';
UPDATE inventory.inventory_reservations
SET state = 'released', settled_at = now() WHERE order_id = '00000000-0000-7000-8000-000000900001';

-- test: a reservation cannot go from expired to confirmed
-- raises: SH205
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 4}]'
) AS r;

UPDATE inventory.inventory_reservations SET state = 'expired', settled_at = now()
WHERE order_id = '00000000-0000-7000-8000-000000900001';
UPDATE inventory.inventory_reservations
SET state = 'confirmed', settled_at = now() WHERE order_id = '00000000-0000-7000-8000-000000900001';

-- test: a reservation cannot begin confirmed
-- raises: SH205
INSERT INTO inventory.inventory_reservations
    (order_id, user_id, request, state, expires_at, settled_at)
VALUES ('00000000-0000-7000-8000-000000900001', 900001, '[]', 'confirmed', now(), now());

-- test: a held reservation cannot be deleted
-- raises: SH205
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 4}]'
) AS r;
DELETE FROM inventory.inventory_reservations
WHERE order_id = '00000000-0000-7000-8000-000000900001';

-- test: a settled reservation goes with its items and parts; its sale stays
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 4}]'
) AS r;

SELECT r.state FROM inventory.confirm_reservation('00000000-0000-7000-8000-000000900001') AS r;
DELETE FROM inventory.inventory_reservations
WHERE order_id = '00000000-0000-7000-8000-000000900001';
SELECT to_jsonb(p) FROM inventory.inventory_reservation_items AS p
WHERE p.order_id = '00000000-0000-7000-8000-000000900001'
UNION ALL
SELECT '"no sale"' WHERE NOT EXISTS (SELECT FROM inventory.inventory_movements AS m
WHERE m.reference = '00000000-0000-7000-8000-000000900001')
UNION ALL
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;

-- test: a settled reservation takes no more items
-- raises: SH205
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 4}]'
) AS r;

SELECT r.state FROM inventory.release_reservation('00000000-0000-7000-8000-000000900001') AS r;
INSERT INTO inventory.inventory_reservation_items (order_id, product_id, quantity)
VALUES ('00000000-0000-7000-8000-000000900001', 900002, 1);
