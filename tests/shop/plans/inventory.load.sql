INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)
SELECT 'category_' || n, 'Category', 10 FROM generate_series(1, 100) AS n;

INSERT INTO inventory.inventory_suppliers (code, name, promised_lead_days)
SELECT 'supplier_' || n, 'Supplier', 5 FROM generate_series(1, 500) AS n;

INSERT INTO inventory.inventory_products (product_id, sku, name, category_id, supplier_id)
SELECT n, 'sku-' || n, 'Product', n % 100 + 1, n % 500 + 1 FROM generate_series(1, 100000) AS n;

INSERT INTO inventory.inventory (product_id, bucket, available, reserved, total)
SELECT n, 0, 9, 1, 10 FROM generate_series(1, 100000) AS n;

INSERT INTO inventory.inventory_receipts (id, product_id, supplier_id, quantity, received_at)
SELECT gen_random_uuid(), n % 20000 + 1, n % 500 + 1, 10, now() - n * interval '5 minutes'
FROM generate_series(1, 100000) AS n;

INSERT INTO inventory.inventory_adjustments (id, product_id, quantity, reason, adjusted_at)
SELECT gen_random_uuid(), n % 20000 + 1, -1, 'lost', now() - n * interval '5 minutes'
FROM generate_series(1, 100000) AS n;

INSERT INTO inventory.inventory_movements (product_id, bucket, kind, quantity, reference, created_at)
SELECT n % 5000 + 1, 0, 'sale', -1, ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid,
    now() - n * interval '5 minutes'
FROM generate_series(1, 100000) AS n;

-- One order of two hundred is held: all others have ended.
INSERT INTO inventory.inventory_reservations
    (order_id, user_id, request, state, expires_at, settled_at)
SELECT
    ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid,
    n % 10000,
    '[{"product_id": 1, "quantity": 1}]',
    CASE WHEN n % 200 = 0 THEN 'held' ELSE 'confirmed' END,
    now() + (n % 300 - 5) * interval '1 second',
    CASE WHEN n % 200 > 0 THEN now() END
FROM generate_series(1, 100000) AS n;

INSERT INTO inventory.inventory_reservation_items (order_id, product_id, bucket, quantity)
SELECT r.order_id, 1, 0, 1 FROM inventory.inventory_reservations AS r;

INSERT INTO inventory.inventory_reservation_slots (user_id, product_id, slot, order_id)
SELECT r.user_id, 1, row_number() OVER (PARTITION BY r.user_id), r.order_id
FROM inventory.inventory_reservations AS r;

-- One alert of a hundred is open.
INSERT INTO inventory.inventory_alerts
    (product_id, kind, state, available, threshold, resolved_at, created_at)
SELECT
    CASE WHEN n % 100 = 0 THEN n ELSE n % 20000 + 1 END,
    'low_stock',
    CASE WHEN n % 100 = 0 THEN 'open' ELSE 'resolved' END,
    1,
    10,
    CASE WHEN n % 100 > 0 THEN now() END,
    now() - n * interval '1 minute'
FROM generate_series(1, 100000) AS n;
