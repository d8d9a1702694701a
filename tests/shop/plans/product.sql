-- index: categories_path_idx
SELECT id FROM categories WHERE path >= '{3,23}' AND path < '{3,23,9223372036854775807}';

-- index: products_category_id_idx
SELECT id FROM products WHERE category_id = 17;

-- index: products_search_idx
SELECT id
FROM products
WHERE
    search_vector @@ websearch_to_tsquery('english', 'quality word77')
    AND tags @> '{label7}'
    AND metadata @> '{"color": 3}';

-- index: product_images_primary_product_id_key
-- refuses
INSERT INTO product_images (product_id, position, is_primary, url)
VALUES (1, 9, TRUE, '/images/second.jpg');

-- index: product_offers_currency_idx
SELECT product_id FROM product_offers WHERE currency = 'KWD';

-- index: product_offers_low_stock_idx
SELECT product_id, stock
FROM product_offers
WHERE is_active AND stock <= low_stock_at
ORDER BY stock, product_id
LIMIT 100;

-- index: product_reviews_product_id_state_created_at_id_idx
SELECT id, rating, title
FROM product_reviews
WHERE product_id = 42 AND state = 'approved'
ORDER BY created_at DESC, id DESC
LIMIT 5;

-- index: product_reviews_pending_idx
SELECT id FROM product_reviews WHERE state = 'pending' ORDER BY created_at, id LIMIT 50;

-- index: product_listings_newest_idx
SELECT product_id, created_at
FROM product_listings
WHERE is_active AND (created_at, product_id) < ('2026-02-01', 50000)
ORDER BY created_at DESC, product_id DESC
LIMIT 21;

-- index: product_listings_category_newest_idx
SELECT product_id, created_at
FROM product_listings
WHERE is_active AND category_id = 17 AND (created_at, product_id) < ('2026-02-01', 50000)
ORDER BY created_at DESC, product_id DESC
LIMIT 21;

-- index: product_listings_price_idx
SELECT product_id, price
FROM product_listings
WHERE is_active AND currency = 'USD' AND (price, product_id) > (4000, 70)
ORDER BY price, product_id
LIMIT 21;

-- index: product_listings_category_price_idx
SELECT product_id, price
FROM product_listings
WHERE is_active AND category_id = 17 AND currency = 'USD' AND (price, product_id) > (4000, 70)
ORDER BY price, product_id
LIMIT 21;

-- index: product_listings_rating_idx
SELECT product_id, average_hundredths
FROM product_listings
WHERE is_active AND (average_hundredths, product_id) < (437, 50000)
ORDER BY average_hundredths DESC, product_id DESC
LIMIT 21;

-- index: product_listings_category_rating_idx
SELECT product_id, average_hundredths
FROM product_listings
WHERE is_active AND category_id = 17 AND (average_hundredths, product_id) < (437, 50000)
ORDER BY average_hundredths DESC, product_id DESC
LIMIT 21;

-- index: product_listings_popularity_idx
SELECT product_id, review_count
FROM product_listings
WHERE is_active AND (review_count, product_id) < (90, 50000)
ORDER BY review_count DESC, product_id DESC
LIMIT 21;

-- index: product_listings_category_popularity_idx
SELECT product_id, review_count
FROM product_listings
WHERE is_active AND category_id = 17 AND (review_count, product_id) < (90, 50000)
ORDER BY review_count DESC, product_id DESC
LIMIT 21;

-- index: product_search_words_deletions_idx
SELECT word
FROM product_search_words
WHERE deletions && product.word_deletions('wireles');

-- index: categories_slug_key
SELECT id, name FROM categories WHERE slug = 'category-17';

-- index: categories_parent_id_name_key
SELECT id, slug FROM categories WHERE parent_id = 17 ORDER BY name;

-- index: products_sku_key
SELECT id FROM products WHERE sku = 'SKU-17';

-- index: product_images_product_id_position_key
SELECT url FROM product_images WHERE product_id = 17 ORDER BY position;

-- index: product_reviews_user_id_product_id_key
SELECT id FROM product_reviews WHERE user_id = 17;
