-- test: the app sells: products, stock, reservations, through what it may call
-- as: app
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
    '00000000-0000-7000-8000-000000900002', 900001, '[{"product_id": 900001, "quantity": 4}]'
) AS r;
SELECT r.state FROM inventory.confirm_reservation('00000000-0000-7000-8000-000000900001') AS r;
SELECT r.state FROM inventory.release_reservation('00000000-0000-7000-8000-000000900002') AS r;
SELECT r.total FROM inventory.adjust_stock(900001, ops.new_id(), -1, 'lost') AS r;
SELECT n FROM inventory.cleanup_expired_reservations() AS n;
SELECT r.opened FROM inventory.refresh_alerts() AS r;
UPDATE inventory.inventory_alerts SET state = 'acknowledged' WHERE product_id = 900003;
SELECT p.code FROM inventory.supplier_performance() AS p;
SELECT s.sku FROM inventory.inventory_stock AS s
WHERE s.product_id = 900001 AND (s.available, s.reserved, s.total) <> (5, 0, 5)
UNION ALL
SELECT a.kind FROM inventory.inventory_alerts AS a
WHERE a.product_id = 900003 AND (a.acknowledged_at IS NULL OR a.version <> 2)
UNION ALL
SELECT l.sku FROM inventory.low_stock() AS l WHERE l.product_id = 900001;

-- test: the app cannot write a counter
-- raises: 42501
-- as: app
UPDATE inventory.inventory SET available = 5, total = 5;

-- test: the app cannot read reservations
-- raises: 42501
-- as: app
SELECT order_id FROM inventory.inventory_reservations;

-- test: the app cannot read slots
-- raises: 42501
-- as: app
SELECT slot FROM inventory.inventory_reservation_slots;

-- test: the app cannot write a movement
-- raises: 42501
-- as: app
INSERT INTO inventory.inventory_movements (product_id, bucket, kind, quantity)
VALUES (1, 0, 'transfer', 1);

-- test: the app cannot move an alert's threshold
-- raises: 42501
-- as: app
UPDATE inventory.inventory_alerts SET threshold = 0;

-- test: the app cannot delete a product
-- raises: 42501
-- as: app
DELETE FROM inventory.inventory_products;

-- test: the app cannot truncate
-- raises: 42501
-- as: app
TRUNCATE inventory.inventory_alerts;

-- test: the app cannot create a table
-- raises: 42501
-- as: app
CREATE TABLE inventory.stray (id integer);

-- test: the app cannot read the audit trail
-- raises: 42501
-- as: app
SELECT id FROM audit.row_changes;

-- test: the app cannot settle past the functions
-- raises: 42501
-- as: app
SELECT inventory.settle_reservations(
    ARRAY['00000000-0000-7000-8000-000000900001']::uuid[], 'confirmed'
);

-- test: the app cannot split stock
-- raises: 42501
-- as: app
SELECT inventory.set_stock_buckets(1, 2);

-- test: readonly cannot read whose a reservation is
-- raises: 42501
-- as: readonly
SELECT user_id FROM inventory.inventory_reservations;

-- test: readonly cannot reserve
-- raises: 42501
-- as: readonly
SELECT r.state
FROM inventory.reserve_inventory('00000000-0000-7000-8000-000000900001', 1, '[]') AS r;

-- test: readonly reads the figures
-- as: readonly
SELECT s.sku FROM inventory.inventory_stock AS s WHERE s.total < 0
UNION ALL
SELECT r.state FROM inventory.inventory_reservations AS r WHERE r.state = 'none'
UNION ALL
SELECT m.kind FROM inventory.inventory_movements AS m WHERE m.quantity = 0;

-- test: ops looks after the stock
-- as: ops
SELECT n FROM inventory.cleanup_expired_reservations() AS n;
SELECT n FROM inventory.rebalance_stock() AS n;
SELECT r.opened FROM inventory.refresh_alerts() AS r;
SELECT f.finding FROM inventory.reconcile_inventory() AS f;
