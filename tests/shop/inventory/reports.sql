-- test: low stock is at the product's own threshold or its category's
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
UPDATE inventory.inventory_products SET low_stock_threshold = 10 WHERE product_id = 900001;
SELECT x.product_id FROM (VALUES (900001::bigint), (900003)) AS x (product_id)
WHERE NOT EXISTS (SELECT FROM inventory.low_stock() AS l WHERE l.product_id = x.product_id)
UNION ALL
SELECT l.product_id FROM inventory.low_stock() AS l WHERE l.product_id = 900002;

-- test: an alert is opened once, resolved when it is over, and opened anew
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.opened FROM inventory.refresh_alerts() AS r;
SELECT r.opened FROM inventory.refresh_alerts() AS r;
SELECT r.total FROM inventory.receive_stock(900003, ops.new_id(), 1) AS r;
SELECT r.opened FROM inventory.refresh_alerts() AS r;
SELECT r.total FROM inventory.receive_stock(900003, ops.new_id(), 9) AS r;
SELECT r.opened FROM inventory.refresh_alerts() AS r;
SELECT a.kind, a.state, a.resolved_at IS NULL FROM inventory.inventory_alerts AS a
WHERE a.product_id = 900003
EXCEPT VALUES ('sold_out', 'resolved', FALSE), ('low_stock', 'resolved', FALSE)
UNION ALL
SELECT 'number', NULL, NULL FROM inventory.inventory_alerts AS a
WHERE a.product_id = 900003 HAVING count(*) <> 2;

-- test: an alert that was resolved stays so
-- raises: SH214
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.opened FROM inventory.refresh_alerts() AS r;
UPDATE inventory.inventory_alerts SET state = 'resolved' WHERE product_id = 900003;
UPDATE inventory.inventory_alerts SET state = 'open', resolved_at = NULL WHERE product_id = 900003;

-- test: an alert cannot begin resolved
-- raises: SH214
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
INSERT INTO inventory.inventory_alerts (product_id, kind, state, available, threshold)
VALUES (900001, 'low_stock', 'resolved', 0, 0);

-- test: a supplier is measured by what came, when and how
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
INSERT INTO inventory.inventory_suppliers (code, name, promised_lead_days)
VALUES ('tested', 'Tested', 4);
SELECT r.total
FROM inventory.inventory_suppliers AS s
CROSS JOIN (VALUES (8, 2, 10, interval '4 days', interval '0 days'), (5, 0, 10, '2 days', '-1 day'))
    AS d (quantity, defective, ordered, lead, late)
CROSS JOIN LATERAL inventory.receive_stock(
    900001, ops.new_id(), d.quantity, s.id, d.defective, d.ordered, now() - d.lead, now() + d.late
) AS r
WHERE s.code = 'tested';
SELECT to_jsonb(p) FROM inventory.supplier_performance() AS p
WHERE p.code = 'tested'
    AND (
        p.deliveries, p.units_received, p.defective_ratio, p.on_time_ratio, p.fill_ratio,
        p.average_lead_days
    )
    <> (2, 13, 0.1333, 0.5, 0.65, 3.00);

-- test: a day's movements add up to received, sold and corrected
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
SELECT inventory.set_stock_buckets(900001, 2);
SELECT r.total
FROM inventory.adjust_stock(900001, '00000000-0000-7000-8000-000000900a01', -1, 'lost') AS r;
SELECT to_jsonb(a) FROM inventory.inventory_analytics AS a
WHERE a.product_id = 900001
    AND (a.units_received, a.units_sold, a.units_adjusted, a.orders) <> (10, 4, -1, 1);

-- test: reconciling finds movements_differ
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
UPDATE inventory.inventory SET available = available + 1, total = total + 1
WHERE product_id = 900001;
SELECT 'not found' WHERE NOT EXISTS (
    SELECT FROM inventory.reconcile_inventory() AS f
    WHERE f.finding = 'movements_differ' AND f.product_id = 900001
);

-- test: reconciling finds reserved_differs
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
UPDATE inventory.inventory SET available = available - 1, reserved = reserved + 1
WHERE product_id = 900001;
SELECT 'not found' WHERE NOT EXISTS (
    SELECT FROM inventory.reconcile_inventory() AS f
    WHERE f.finding = 'reserved_differs' AND f.product_id = 900001
);

-- test: reconciling finds items_differ
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
UPDATE inventory.inventory_reservation_items SET quantity = 3
WHERE order_id = '00000000-0000-7000-8000-000000900001';
SELECT 'not found' WHERE NOT EXISTS (
    SELECT FROM inventory.reconcile_inventory() AS f
    WHERE f.finding = 'items_differ' AND f.product_id = 900001
);

-- test: reconciling finds slots_differ
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
DELETE FROM inventory.inventory_reservation_slots
WHERE order_id = '00000000-0000-7000-8000-000000900001';
SELECT 'not found' WHERE NOT EXISTS (
    SELECT FROM inventory.reconcile_inventory() AS f
    WHERE f.finding = 'slots_differ' AND f.product_id = 900001
);

-- test: reconciling finds sale_differs
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
SELECT 'not found' WHERE NOT EXISTS (
    SELECT FROM inventory.reconcile_inventory() AS f
    WHERE f.finding = 'sale_differs' AND f.product_id = 900001
);

-- test: counters, reservations and corrections are audited, without the user
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

SELECT r.total
FROM inventory.adjust_stock(900001, '00000000-0000-7000-8000-000000900a01', -1, 'lost') AS r;
SELECT x.name
FROM (
    VALUES ('inventory.inventory'), ('inventory.inventory_reservations'),
    ('inventory.inventory_adjustments')
) AS x (name)
WHERE NOT EXISTS (
    SELECT FROM audit.row_changes AS c WHERE c.table_name = x.name AND c.xid = pg_current_xact_id()
)
UNION ALL
SELECT c.changes ->> 'user_id' FROM audit.row_changes AS c
WHERE c.table_name = 'inventory.inventory_reservations' AND c.xid = pg_current_xact_id()
    AND (c.changes ->> 'user_id' NOT LIKE '%true%' OR c.changes ->> 'user_id' LIKE '%900001%');

-- test: an erased user is gone, and all still adds up
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

SELECT ops.erase_personal_data('900001');
SELECT to_jsonb(r) FROM inventory.inventory_reservations AS r WHERE r.user_id = 900001
UNION ALL
SELECT to_jsonb(s) FROM inventory.inventory_reservation_slots AS s WHERE s.user_id = 900001
UNION ALL
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;
