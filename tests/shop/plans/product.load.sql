-- 1,000 categories in a tree of three levels; of the products' words and tags, few are frequent.
INSERT INTO product.categories (id, parent_id, path, slug, name)
OVERRIDING SYSTEM VALUE
SELECT
    n,
    CASE WHEN n > 100 THEN 1 + n % 100 WHEN n > 10 THEN 1 + n % 10 END,
    CASE
        WHEN n > 100 THEN ARRAY[1 + (1 + n % 100) % 10, 1 + n % 100, n]
        WHEN n > 10 THEN ARRAY[1 + n % 10, n]
        ELSE ARRAY[n]
    END,
    'category-' || n,
    'Category ' || n
FROM generate_series(1::bigint, 1000) AS n;

INSERT INTO product.products (id, category_id, sku, name, description, tags, metadata, created_at)
OVERRIDING SYSTEM VALUE
SELECT
    n,
    1 + n % 1000,
    'SKU-' || n,
    'word' || n % 7 || ' word' || n % 1009,
    'quality word' || n / 97,
    ARRAY['tag' || n % 5, 'label' || n % 300],
    jsonb_build_object('color', n % 9, 'size', n % 500),
    timestamptz '2026-01-01' + n * interval '1 minute'
FROM generate_series(1, 100000) AS n;

INSERT INTO product.product_offers (
    product_id, currency, price, stock, low_stock_at, is_active
)
SELECT
    n,
    CASE WHEN n % 1000 = 0 THEN 'KWD' WHEN n % 10 = 0 THEN 'EUR' ELSE 'USD' END,
    n * 7919 % 50000,
    n % 997,
    10,
    n % 20 > 0
FROM generate_series(1, 100000) AS n;

INSERT INTO product.product_listings (
    product_id, category_id, created_at, currency, price, is_in_stock, is_active,
    stars_1, stars_3, stars_5
)
SELECT
    p.id,
    p.category_id,
    p.created_at,
    o.currency,
    o.price,
    o.stock > 0,
    o.is_active,
    p.id % 11,
    p.id % 7,
    p.id % 103
FROM product.products AS p
INNER JOIN product.product_offers AS o ON p.id = o.product_id;

INSERT INTO product.product_images (product_id, position, is_primary, url)
SELECT
    1 + n % 50000,
    1 + n / 50000,
    n < 50000,
    '/images/' || n || '.jpg'
FROM generate_series(0, 99999) AS n;

INSERT INTO product.product_reviews (
    product_id, user_id, rating, title, body, state, created_at
)
SELECT
    1 + n % 5000,
    n,
    1 + n % 5,
    'Title',
    '',
    CASE WHEN n % 100 = 0 THEN 'pending' WHEN n % 30 = 0 THEN 'rejected' ELSE 'approved' END,
    timestamptz '2026-01-01' + n * interval '1 minute'
FROM generate_series(1, 100000) AS n;

INSERT INTO product.product_search_words (word, product_count)
SELECT
    translate(md5(n::text)::varchar(9), '0123456789', 'ghijklmnop'),
    1 + n % 50
FROM generate_series(1, 100000) AS n
ON CONFLICT DO NOTHING;
