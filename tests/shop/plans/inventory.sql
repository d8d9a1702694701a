-- index: inventory_products_category_id_idx
SELECT p.product_id, p.sku
FROM inventory_products AS p
WHERE p.category_id = 7;

-- index: inventory_products_supplier_id_idx
SELECT p.product_id, p.sku
FROM inventory_products AS p
WHERE p.supplier_id = 7;

-- index: inventory_receipts_product_id_received_at_idx
SELECT r.id, r.quantity
FROM inventory_receipts AS r
WHERE r.product_id = 7
ORDER BY r.received_at DESC
LIMIT 20;

-- index: inventory_receipts_supplier_id_received_at_idx
SELECT sum(r.quantity)
FROM inventory_receipts AS r
WHERE r.supplier_id = 7 AND r.received_at >= now() - interval '30 days';

-- index: inventory_adjustments_product_id_adjusted_at_idx
SELECT a.id, a.quantity
FROM inventory_adjustments AS a
WHERE a.product_id = 7
ORDER BY a.adjusted_at DESC
LIMIT 20;

-- index: inventory_movements_product_id_occurred_on_idx
SELECT a.occurred_on, a.units_sold
FROM inventory_analytics AS a
WHERE a.product_id = 7 AND a.occurred_on >= current_date - 30;

-- index: inventory_movements_reference_idx
SELECT m.kind, m.quantity
FROM inventory_movements AS m
WHERE m.reference = '00000000-0000-7000-8000-000000000007';

-- index: inventory_reservations_expires_at_idx
SELECT r.order_id
FROM inventory_reservations AS r
WHERE r.state = 'held' AND r.expires_at <= statement_timestamp()
ORDER BY r.expires_at
LIMIT 100
FOR NO KEY UPDATE SKIP LOCKED;

-- index: inventory_alerts_product_id_kind_key
-- refuses
INSERT INTO inventory_alerts (product_id, kind, available, threshold)
VALUES (200, 'low_stock', 1, 10);

-- index: inventory_alerts_product_id_created_at_idx
SELECT a.kind, a.state
FROM inventory_alerts AS a
WHERE a.product_id = 7
ORDER BY a.created_at DESC
LIMIT 20;

-- index: inventory_categories_code_key
-- refuses
INSERT INTO inventory_categories (code, name, low_stock_threshold) VALUES ('category_7', 'Twin', 1);

-- index: inventory_suppliers_code_key
SELECT s.id
FROM inventory_suppliers AS s
WHERE s.code = 'supplier_7';

-- index: inventory_products_sku_key
SELECT p.product_id
FROM inventory_products AS p
WHERE p.sku = 'sku-7';
