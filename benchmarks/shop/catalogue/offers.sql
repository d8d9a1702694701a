INSERT INTO product.product_offers (
    product_id, currency, price, stock, low_stock_at, is_active
)
SELECT
    p.id,
    CASE
        WHEN random() < 0.8 THEN 'USD'
        WHEN random() < 0.6 THEN 'EUR'
        WHEN random() < 0.8 THEN 'GBP'
        ELSE 'JPY'
    END,
    floor(100 * exp(1 + mod(p.category_id * 7919, 50) / 10.0 + random() + random())),
    CASE WHEN random() < 0.12 THEN 0 ELSE (200 * random())::integer END,
    10,
    random() < 0.97
FROM product.products AS p;

-- Most products have a few reviews, some have thousands.
INSERT INTO product.product_listings (
    product_id, category_id, created_at, currency, price, is_in_stock, is_active,
    stars_1, stars_2, stars_3, stars_4, stars_5
)
SELECT
    p.id,
    p.category_id,
    p.created_at,
    o.currency,
    o.price,
    o.stock > 0,
    o.is_active,
    p.reviews * 0.05 * random(),
    p.reviews * 0.05 * random(),
    p.reviews * 0.2 * random(),
    p.reviews * 0.5 * random(),
    p.reviews * random()
FROM (
    SELECT
        id, category_id, created_at, exp(8 * random() * random() * random()) - 1 AS reviews
    FROM product.products
    OFFSET 0
) AS p
INNER JOIN product.product_offers AS o ON p.id = o.product_id;
