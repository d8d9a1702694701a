-- test: a reservation holds every item and says until when
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
CREATE TEMP TABLE answer AS
SELECT r.* FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001,
    '[{"product_id": 900002, "quantity": 3}, {"product_id": 900001, "quantity": 2}]'
) AS r;
SELECT a.*
FROM answer AS a
WHERE NOT (
    a.is_reserved AND NOT a.is_replay AND a.state = 'held'
    AND a.expires_at - interval '5 minutes' BETWEEN now() AND clock_timestamp()
    AND a.items = '[{"product_id": 900001, "quantity": 2, "outcome": "reserved"},
        {"product_id": 900002, "quantity": 3, "outcome": "reserved"}]'
)
UNION ALL
SELECT NULL, NULL, s.sku, NULL, to_jsonb(s)
FROM inventory.inventory_stock AS s
WHERE s.product_id IN (900001, 900002) AND s.reserved = 0;

-- test: items of one product are merged
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001,
    '[{"product_id": 900001, "quantity": 2}, {"product_id": 900001, "quantity": 3}]'
) AS r;
SELECT i.* FROM inventory.inventory_reservation_items AS i
WHERE i.order_id = '00000000-0000-7000-8000-000000900001'
    AND (i.product_id, i.quantity) <> (900001, 5);

-- test: an inactive product is refused, however much of it there is
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
UPDATE inventory.inventory_products SET is_active = FALSE WHERE product_id = 900001;
SELECT r.* FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 1}]'
) AS r
WHERE r.is_reserved OR r.items #>> '{0,outcome}' <> 'inactive_product';

-- test: one item short refuses all, with the reason for each, and changes nothing
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
UPDATE inventory.inventory_products SET is_active = FALSE WHERE product_id = 900003;
CREATE TEMP TABLE answer AS
SELECT r.* FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001,
    '[
        {"product_id": 900001, "quantity": 2},
        {"product_id": 900002, "quantity": 11},
        {"product_id": 900003, "quantity": 1},
        {"product_id": 900009, "quantity": 1}
    ]'
) AS r;
SELECT to_jsonb(a) FROM answer AS a
WHERE NOT (
    NOT a.is_reserved AND a.state = 'refused' AND a.expires_at IS NULL
    AND a.items = '[
        {"product_id": 900001, "quantity": 2, "available": 2, "outcome": "available"},
        {"product_id": 900002, "quantity": 11, "available": 10, "outcome": "sold_out"},
        {"product_id": 900003, "quantity": 1, "available": 0, "outcome": "inactive_product"},
        {"product_id": 900009, "quantity": 1, "available": 0, "outcome": "unknown_product"}]'
)
UNION ALL
SELECT to_jsonb(s) FROM inventory.inventory_stock AS s
WHERE s.product_id > 900000 AND s.reserved <> 0
UNION ALL
SELECT to_jsonb(r) FROM inventory.inventory_reservations AS r WHERE r.user_id = 900001
UNION ALL
SELECT to_jsonb(s) FROM inventory.inventory_reservation_slots AS s WHERE s.user_id = 900001;

-- test: a refused order may try again
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900003, "quantity": 1}]'
) AS r;
SELECT total FROM inventory.receive_stock(900003, ops.new_id(), 1);
SELECT r.* FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900003, "quantity": 1}]'
) AS r WHERE NOT r.is_reserved;

-- test: stock in fragments is not sold out: each bucket's part is recorded
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900003, ops.new_id(), 4);
SELECT inventory.set_stock_buckets(900003, 4);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900003, "quantity": 4}]'
) AS r;
SELECT e.bucket FROM generate_series(0, 3) AS e (bucket)
EXCEPT
SELECT p.bucket FROM inventory.inventory_reservation_items AS p
WHERE p.order_id = '00000000-0000-7000-8000-000000900001' AND p.quantity = 1;

-- test: the same call again is answered the same and holds nothing more
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001,
    '[{"product_id": 900001, "quantity": 1}, {"product_id": 900001, "quantity": 1}]'
) AS r;
CREATE TEMP TABLE wrong (finding jsonb);
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 2}]'
) AS r
WHERE NOT (r.is_reserved AND r.is_replay AND r.state = 'held');
INSERT INTO wrong
SELECT to_jsonb(s) FROM inventory.inventory_stock AS s
WHERE s.product_id = 900001 AND s.reserved <> 2;
SELECT w.finding FROM wrong AS w;

-- test: a sold order is answered as it was, and sold once
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 1}]'
) AS r;
SELECT r.state FROM inventory.confirm_reservation('00000000-0000-7000-8000-000000900001') AS r;
SELECT to_jsonb(r) FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 1}]'
) AS r
WHERE (r.is_reserved, r.is_replay, r.state) <> (TRUE, TRUE, 'confirmed')
UNION ALL
SELECT to_jsonb(s) FROM inventory.inventory_stock AS s
WHERE s.product_id = 900001 AND (s.available, s.reserved) <> (9, 0);

-- test: an order that was swept may be held again, and sold
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001,
    '[{"product_id": 900001, "quantity": 4}, {"product_id": 900002, "quantity": 1}]'
) AS r;
UPDATE inventory.inventory_reservations SET expires_at = now() WHERE user_id = 900001;
SELECT n FROM inventory.cleanup_expired_reservations() AS n;
CREATE TEMP TABLE wrong (finding jsonb);
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001,
    '[{"product_id": 900001, "quantity": 4}, {"product_id": 900002, "quantity": 1}]'
) AS r
WHERE (r.is_reserved, r.is_replay, r.state) <> (TRUE, FALSE, 'held') OR r.expires_at < now();
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.inventory_reservations AS r
WHERE r.order_id = '00000000-0000-7000-8000-000000900001'
    AND (r.state <> 'held' OR r.attempts <> 2 OR r.expires_at < now());
INSERT INTO wrong
SELECT to_jsonb(s) FROM inventory.inventory_stock AS s
WHERE s.product_id = 900001 AND (s.available, s.reserved) <> (6, 4);
INSERT INTO wrong
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.confirm_reservation('00000000-0000-7000-8000-000000900001') AS r
WHERE NOT r.is_confirmed;
INSERT INTO wrong
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;
SELECT w.finding FROM wrong AS w;

-- test: an order that is overdue and not swept yet may be held again, and sold
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001,
    '[{"product_id": 900001, "quantity": 4}, {"product_id": 900002, "quantity": 1}]'
) AS r;
UPDATE inventory.inventory_reservations SET expires_at = now() WHERE user_id = 900001;
CREATE TEMP TABLE wrong (finding jsonb);
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001,
    '[{"product_id": 900001, "quantity": 4}, {"product_id": 900002, "quantity": 1}]'
) AS r
WHERE (r.is_reserved, r.is_replay, r.state) <> (TRUE, FALSE, 'held') OR r.expires_at < now();
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.inventory_reservations AS r
WHERE r.order_id = '00000000-0000-7000-8000-000000900001'
    AND (r.state <> 'held' OR r.attempts <> 2 OR r.expires_at < now());
INSERT INTO wrong
SELECT to_jsonb(s) FROM inventory.inventory_stock AS s
WHERE s.product_id = 900001 AND (s.available, s.reserved) <> (6, 4);
INSERT INTO wrong
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.confirm_reservation('00000000-0000-7000-8000-000000900001') AS r
WHERE NOT r.is_confirmed;
INSERT INTO wrong
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;
SELECT w.finding FROM wrong AS w;

-- test: an order that was released may be held again, and sold
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001,
    '[{"product_id": 900001, "quantity": 4}, {"product_id": 900002, "quantity": 1}]'
) AS r;
SELECT r.state FROM inventory.release_reservation('00000000-0000-7000-8000-000000900001') AS r;
CREATE TEMP TABLE wrong (finding jsonb);
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001,
    '[{"product_id": 900001, "quantity": 4}, {"product_id": 900002, "quantity": 1}]'
) AS r
WHERE (r.is_reserved, r.is_replay, r.state) <> (TRUE, FALSE, 'held') OR r.expires_at < now();
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.inventory_reservations AS r
WHERE r.order_id = '00000000-0000-7000-8000-000000900001'
    AND (r.state <> 'held' OR r.attempts <> 2 OR r.expires_at < now());
INSERT INTO wrong
SELECT to_jsonb(s) FROM inventory.inventory_stock AS s
WHERE s.product_id = 900001 AND (s.available, s.reserved) <> (6, 4);
INSERT INTO wrong
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.confirm_reservation('00000000-0000-7000-8000-000000900001') AS r
WHERE NOT r.is_confirmed;
INSERT INTO wrong
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;
SELECT w.finding FROM wrong AS w;

-- test: an order whose units somebody else has by now is refused, and stays ended
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 6}]'
) AS r;
SELECT r.state FROM inventory.release_reservation('00000000-0000-7000-8000-000000900001') AS r;
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900002', 900002, '[{"product_id": 900001, "quantity": 6}]'
) AS r;
SELECT to_jsonb(r) FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 6}]'
) AS r
WHERE (r.is_reserved, r.state, r.items -> 0 ->> 'outcome') <> (FALSE, 'refused', 'sold_out');
SELECT to_jsonb(r) FROM inventory.inventory_reservations AS r
WHERE r.order_id = '00000000-0000-7000-8000-000000900001'
    AND (r.state, r.attempts) <> ('released', 1)
UNION ALL
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;

-- test: an order that has ended asks for the same items when it asks again
-- raises: SH203
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 1}]'
) AS r;
SELECT r.state FROM inventory.release_reservation('00000000-0000-7000-8000-000000900001') AS r;
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 2}]'
) AS r;

-- test: a held-again order takes a slot again
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 1}]'
) AS r;
SELECT r.state FROM inventory.release_reservation('00000000-0000-7000-8000-000000900001') AS r;
SELECT r.state
FROM generate_series(1, 5) AS n
CROSS JOIN LATERAL inventory.reserve_inventory(
    ops.new_id(), 900001 + 0 * n, '[{"product_id": 900001, "quantity": 1}]'
) AS r;
SELECT to_jsonb(r) FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 1}]'
) AS r
WHERE (r.is_reserved, r.items -> 0 ->> 'outcome') <> (FALSE, 'too_many_open');

-- test: an order that asks for something else than before is refused
-- raises: SH203
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 1}]'
) AS r;
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 2}]'
) AS r;

-- test: another user may not replay an order
-- raises: SH203
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 1}]'
) AS r;
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900002, '[{"product_id": 900001, "quantity": 1}]'
) AS r;

-- test: a user has at most five open reservations of a product, and is told so
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state
FROM generate_series(1, 5) AS n
CROSS JOIN LATERAL inventory.reserve_inventory(
    ops.new_id(), 900001 + 0 * n, '[{"product_id": 900001, "quantity": 1}]'
) AS r;
CREATE TEMP TABLE wrong (finding jsonb);
INSERT INTO wrong
SELECT r.items FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900006', 900001,
    '[{"product_id": 900001, "quantity": 1}, {"product_id": 900002, "quantity": 1}]'
) AS r
WHERE r.is_reserved OR r.items <> '[
    {"product_id": 900001, "quantity": 1, "available": 0, "outcome": "too_many_open"},
    {"product_id": 900002, "quantity": 1, "available": 1, "outcome": "available"}]';
INSERT INTO wrong
SELECT r.items FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900007', 900001, '[{"product_id": 900002, "quantity": 1}]'
) AS r
WHERE NOT r.is_reserved;
INSERT INTO wrong
SELECT r.items FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900008', 900002, '[{"product_id": 900001, "quantity": 1}]'
) AS r
WHERE NOT r.is_reserved;
SELECT w.finding FROM wrong AS w;

-- test: no slot, no item, whoever inserts it
-- raises: SH204
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state
FROM generate_series(1, 5) AS n
CROSS JOIN LATERAL inventory.reserve_inventory(
    ops.new_id(), 900001 + 0 * n, '[{"product_id": 900001, "quantity": 1}]'
) AS r;
INSERT INTO inventory.inventory_reservations (order_id, user_id, request, expires_at)
VALUES ('00000000-0000-7000-8000-000000900006', 900001, '[]', now());
INSERT INTO inventory.inventory_reservation_items (order_id, product_id, quantity)
VALUES ('00000000-0000-7000-8000-000000900006', 900001, 1);

-- test: a user's own overdue reservations make room for the next one
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state
FROM generate_series(1, 5) AS n
CROSS JOIN LATERAL inventory.reserve_inventory(
    ops.new_id(), 900001 + 0 * n,
    '[{"product_id": 900001, "quantity": 2}, {"product_id": 900002, "quantity": 2}]'
) AS r;
UPDATE inventory.inventory_reservations SET expires_at = now() WHERE user_id = 900001;
CREATE TEMP TABLE wrong (finding jsonb);
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 10}]'
) AS r WHERE NOT r.is_reserved;
INSERT INTO wrong
SELECT to_jsonb(s) FROM inventory.inventory_stock AS s
WHERE s.product_id IN (900001, 900002)
    AND s.reserved <> CASE s.product_id WHEN 900001 THEN 10 ELSE 0 END;
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.inventory_reservations AS r
WHERE r.user_id = 900001 AND r.state <> 'expired'
    AND r.order_id <> '00000000-0000-7000-8000-000000900001';
INSERT INTO wrong
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;
SELECT w.finding FROM wrong AS w;

-- test: a refusal leaves the user's overdue reservations as they were
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 2}]'
) AS r;
UPDATE inventory.inventory_reservations SET expires_at = now() WHERE user_id = 900001;
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900002', 900001, '[{"product_id": 900001, "quantity": 11}]'
) AS r;
SELECT to_jsonb(r) FROM inventory.inventory_reservations AS r
WHERE r.order_id = '00000000-0000-7000-8000-000000900001' AND r.state <> 'held'
UNION ALL
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;

-- test: no items cannot be reserved
-- raises: SH201
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[]'
) AS r;

-- test: items that are no array cannot be reserved
-- raises: SH201
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '{"product_id": 1}'
) AS r;

-- test: a quantity of 0 cannot be reserved
-- raises: SH201
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 0}]'
) AS r;

-- test: a quantity that is a string cannot be reserved
-- raises: SH201
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": "1"}]'
) AS r;

-- test: a fraction cannot be reserved
-- raises: SH201
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 1.5}]'
) AS r;

-- test: an item without a product cannot be reserved
-- raises: SH201
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"quantity": 1}]'
) AS r;

-- test: an item that is a number cannot be reserved
-- raises: SH201
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[7]'
) AS r;

-- test: quantities that add up to more than can be cannot be reserved
-- raises: SH201
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001,
    '[{"product_id": 900001, "quantity": 600000000}, {"product_id": 900001, "quantity": 600000000}]'
) AS r;

-- test: a reservation without a user is refused
-- raises: SH201
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', NULL, '[{"product_id": 900001, "quantity": 1}]'
) AS r;

-- test: items that are NULL are refused
-- raises: SH201
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state
FROM inventory.reserve_inventory('00000000-0000-7000-8000-000000900001', 900001, NULL) AS r;

-- test: more than fifty products are refused
-- raises: SH202
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.state FROM inventory.reserve_inventory('00000000-0000-7000-8000-000000900001', 900001, (
    SELECT jsonb_agg(jsonb_build_object('product_id', n, 'quantity', 1))
    FROM generate_series(1, 51) AS n
)) AS r;

-- test: fifty products fit
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900101, 900150) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT r.total FROM generate_series(900101, 900150) AS n
CROSS JOIN LATERAL inventory.receive_stock(n, ops.new_id(), 1) AS r;
SELECT r.* FROM inventory.reserve_inventory('00000000-0000-7000-8000-000000900001', 900001, (
    SELECT jsonb_agg(jsonb_build_object('product_id', n, 'quantity', 1))
    FROM generate_series(900101, 900150) AS n
)) AS r WHERE NOT r.is_reserved;

-- test: the internal refusal of the first passes has a code of its own
-- raises: SH200
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
INSERT INTO inventory.inventory_reservations (order_id, user_id, request, expires_at)
VALUES ('00000000-0000-7000-8000-000000900001', 900001, '[]', now());
SELECT inventory.take_at_once(
    '00000000-0000-7000-8000-000000900001', ARRAY[900001], ARRAY[11], FALSE
);
