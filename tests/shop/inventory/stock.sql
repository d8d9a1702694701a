-- test: a new product has one empty bucket
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT i.* FROM (VALUES (900001, 0, 0, 0, 0)) AS e (product_id, bucket, available, reserved, total)
LEFT JOIN inventory.inventory AS i USING (product_id, bucket, available, reserved, total)
WHERE i.product_id IS NULL;

-- test: a delivery is booked once for each receipt id
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT r.total FROM inventory.receive_stock(
    900001, '00000000-0000-7000-8000-000000900a01', 7, p_defective_quantity => 2
) AS r;
CREATE TEMP TABLE wrong (finding jsonb);
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.receive_stock(
    900001, '00000000-0000-7000-8000-000000900a01', 7, p_defective_quantity => 2
) AS r
WHERE (r.is_replay, r.available, r.total) <> (TRUE, 7, 7);
INSERT INTO wrong
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;
SELECT w.finding FROM wrong AS w;

-- test: a receipt id does not stand for two deliveries
-- raises: SH213
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT r.total FROM inventory.receive_stock(900001, '00000000-0000-7000-8000-000000900a01', 7) AS r;
SELECT r.total FROM inventory.receive_stock(900001, '00000000-0000-7000-8000-000000900a01', 8) AS r;

-- test: a receipt id does not stand for two products
-- raises: SH213
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT r.total FROM inventory.receive_stock(900001, '00000000-0000-7000-8000-000000900a01', 7) AS r;
SELECT r.total FROM inventory.receive_stock(900002, '00000000-0000-7000-8000-000000900a01', 7) AS r;

-- test: a delivery of an unknown product is refused
-- raises: SH208
SELECT r.total FROM inventory.receive_stock(900009, '00000000-0000-7000-8000-000000900a01', 7) AS r;

-- test: a delivery by an unknown supplier is refused
-- raises: SH211
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT r.total
FROM inventory.receive_stock(900001, '00000000-0000-7000-8000-000000900a01', 7, 900009) AS r;

-- test: a delivery of nothing is refused
-- raises: SH481
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT r.total FROM inventory.receive_stock(900001, '00000000-0000-7000-8000-000000900a01', 0) AS r;

-- test: a delivery of less than nothing is refused
-- raises: SH481
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT r.total
FROM inventory.receive_stock(900001, '00000000-0000-7000-8000-000000900a01', -1) AS r;

-- test: a product has no more units on hand than its counters hold, however they come
-- raises: SH210
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT r.total FROM inventory.receive_stock(900001, ops.new_id(), 999999999) AS r;
SELECT r.total FROM inventory.receive_stock(900001, ops.new_id(), 1) AS r;

-- test: a correction takes a product no further than a delivery does
-- raises: SH210
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT r.total FROM inventory.receive_stock(900001, ops.new_id(), 999999999) AS r;
SELECT r.total FROM inventory.adjust_stock(900001, ops.new_id(), 999999999, 'found') AS r;

-- test: as many units as a product may have fit in one bucket
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT inventory.set_stock_buckets(900001, 64);
SELECT r.total FROM inventory.receive_stock(900001, ops.new_id(), 999999999) AS r;
SELECT inventory.set_stock_buckets(900001, 1);
SELECT to_jsonb(i) FROM inventory.inventory AS i
WHERE i.product_id = 900001 AND i.available <> 999999999
UNION ALL
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;

-- test: a delivery that is defective throughout puts nothing on hand
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT to_jsonb(r) FROM inventory.receive_stock(
    900001, '00000000-0000-7000-8000-000000900a01', 0, p_defective_quantity => 3
) AS r
WHERE r.total <> 0;

-- test: a correction is booked once for each id, up and down
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.total
FROM inventory.adjust_stock(900001, '00000000-0000-7000-8000-000000900a01', -4, 'damaged') AS r;
CREATE TEMP TABLE wrong (finding jsonb);
INSERT INTO wrong
SELECT to_jsonb(r)
FROM inventory.adjust_stock(900001, '00000000-0000-7000-8000-000000900a01', -4, 'damaged') AS r
WHERE (r.is_replay, r.available, r.total) <> (TRUE, 6, 6);
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.adjust_stock(900001, ops.new_id(), 5, 'found') AS r
WHERE (r.is_replay, r.available, r.total) <> (FALSE, 11, 11);
INSERT INTO wrong
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;
SELECT w.finding FROM wrong AS w;

-- test: a correction takes from several buckets what one does not have
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT inventory.set_stock_buckets(900001, 4);
SELECT r.total
FROM inventory.adjust_stock(900001, '00000000-0000-7000-8000-000000900a01', -7, 'lost') AS r;
SELECT to_jsonb(s) FROM inventory.inventory_stock AS s WHERE s.product_id = 900001 AND s.total <> 3
UNION ALL
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;

-- test: a correction id does not stand for two corrections
-- raises: SH213
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.total
FROM inventory.adjust_stock(900001, '00000000-0000-7000-8000-000000900a01', -1, 'lost') AS r;
SELECT r.total
FROM inventory.adjust_stock(900001, '00000000-0000-7000-8000-000000900a01', -1, 'damaged') AS r;

-- test: a correction cannot take what is reserved
-- raises: SH209
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
FROM inventory.adjust_stock(900001, '00000000-0000-7000-8000-000000900a01', -7, 'lost') AS r;

-- test: a correction by nothing is refused
-- raises: SH481
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.total
FROM inventory.adjust_stock(900001, '00000000-0000-7000-8000-000000900a01', 0, 'lost') AS r;

-- test: a correction of an unknown product is refused
-- raises: SH208
SELECT r.total
FROM inventory.adjust_stock(900009, '00000000-0000-7000-8000-000000900a01', 1, 'found') AS r;

-- test: a correction has a reason that we know
-- raises: SH481
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT r.total
FROM inventory.adjust_stock(900001, '00000000-0000-7000-8000-000000900a01', 1, 'magic') AS r;

-- test: movements cannot be changed, not even by the owner
-- raises: SH207
UPDATE inventory.inventory_movements SET quantity = 1;

-- test: movements cannot be deleted, not even by the owner
-- raises: SH207
DELETE FROM inventory.inventory_movements;

-- test: movements cannot be truncated, not even by the owner
-- raises: SH207
TRUNCATE inventory.inventory_movements;

-- test: more buckets share what is available evenly
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT inventory.set_stock_buckets(900001, 4);
SELECT i.bucket, i.available FROM inventory.inventory AS i WHERE i.product_id = 900001
EXCEPT VALUES (0, 3), (1, 3), (2, 2), (3, 2);

-- test: fewer buckets keep what is held, and it can still be sold
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT inventory.set_stock_buckets(900001, 8);
SELECT r.state FROM inventory.reserve_inventory(
    '00000000-0000-7000-8000-000000900001', 900001, '[{"product_id": 900001, "quantity": 10}]'
) AS r;
SELECT inventory.set_stock_buckets(900001, 3);
SELECT inventory.set_stock_buckets(900001, 3);
CREATE TEMP TABLE wrong (finding jsonb);
INSERT INTO wrong
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;
INSERT INTO wrong
SELECT to_jsonb(s) FROM inventory.inventory_stock AS s
WHERE s.product_id = 900001 AND (s.buckets, s.available, s.reserved, s.total) <> (3, 0, 10, 10);
INSERT INTO wrong
SELECT to_jsonb(r) FROM inventory.confirm_reservation('00000000-0000-7000-8000-000000900001') AS r
WHERE NOT r.is_confirmed;
INSERT INTO wrong
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;
SELECT w.finding FROM wrong AS w;

-- test: sixty-five buckets are refused
-- raises: SH212
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT inventory.set_stock_buckets(900001, 65);

-- test: no buckets are refused
-- raises: SH212
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT inventory.set_stock_buckets(900001, 0);

-- test: buckets of an unknown product are refused
-- raises: SH208
SELECT inventory.set_stock_buckets(900009, 2);

-- test: rebalancing levels what has become uneven, and leaves the rest alone
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
SELECT inventory.set_stock_buckets(900001, 2);
SELECT r.total
FROM inventory.adjust_stock(900001, '00000000-0000-7000-8000-000000900a01', -5, 'lost') AS r;
CREATE TEMP TABLE wrong (finding jsonb);
INSERT INTO wrong
SELECT to_jsonb(n) FROM inventory.rebalance_stock() AS n WHERE n < 1;
INSERT INTO wrong
SELECT to_jsonb(n) FROM inventory.rebalance_stock() AS n WHERE n <> 0;
INSERT INTO wrong
SELECT to_jsonb(i) FROM inventory.inventory AS i
WHERE i.product_id = 900001 AND i.available NOT IN (2, 3);
INSERT INTO wrong
SELECT to_jsonb(f) FROM inventory.reconcile_inventory() AS f;
SELECT w.finding FROM wrong AS w;

-- test: rebalancing a batch of none is refused
-- raises: SH481
SELECT inventory.rebalance_stock(0);

-- test: counters below nothing are refused by the row itself
-- raises: 23514
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
UPDATE inventory.inventory SET available = -1, total = -1 WHERE product_id = 900001;

-- test: a row whose counters do not add up is refused
-- raises: 23514
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
VALUES ('tested', 'Tested', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'tested-' || n, 'Tested', c.id
FROM generate_series(900001, 900003) AS n
CROSS JOIN inventory.inventory_categories AS c WHERE c.code = 'tested';
SELECT total FROM inventory.receive_stock(900001, ops.new_id(), 10);
SELECT total FROM inventory.receive_stock(900002, ops.new_id(), 10);
UPDATE inventory.inventory SET available = 3 WHERE product_id = 900001;

-- test: an update of the counters stays HOT: no index holds one
SELECT c.relname, a.attname
FROM pg_index AS x
INNER JOIN pg_class AS c ON c.oid = x.indexrelid
INNER JOIN pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = ANY(x.indkey)
WHERE x.indrelid = 'inventory.inventory'::regclass AND a.attname NOT IN ('product_id', 'bucket')
UNION ALL
SELECT k.conname, NULL FROM pg_constraint AS k
WHERE k.contype = 'f' AND k.confrelid = 'inventory.inventory'::regclass;
