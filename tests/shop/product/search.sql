-- test: words of the name go before words of the description
-- as: app
SELECT product.search_products('keyboard') -> 'items'
WHERE NOT
jsonb_path_query_array(product.search_products('keyboard'), '$.items[*].id') @> '[11, 12, 13]'
OR product.search_products('silver headphones') #>> '{items,0,id}' <> '2';

-- test: a quoted phrase and a minus are understood
-- as: app
SELECT ids
FROM jsonb_path_query_array(
    product.search_products('"mechanical keyboard" -german'), '$.items[*].id'
) AS ids
WHERE ids <> '[11]';

-- test: whatever a user types is a search and no error
-- as: app
SELECT q
FROM unnest(ARRAY['"', ':*&!', 'the', '-', E'\\', '   ', 'or or', '<->', '🎧']) AS q
WHERE jsonb_typeof(product.search_products(q) -> 'items') <> 'array';

-- test: a text of any length is a search, and its end is not read
-- as: app
SELECT left(q.typed, 20)
FROM (
    VALUES
    (repeat('lamp ', 200000)),
    (repeat('q', 1000000)),
    ((SELECT string_agg('w' || n, ' ') FROM generate_series(1, 100000) AS n))
) AS q (typed)
WHERE jsonb_typeof(product.search_products(q.typed) -> 'items') <> 'array';
SELECT 'read'
WHERE
product.search_products('keyboard' || repeat(' ', 200) || 'xyzzyx') -> 'items'
IS DISTINCT FROM product.search_products('keyboard') -> 'items';

-- test: a word that is too long for any word of a product has no deletions
SELECT w.size
FROM (VALUES (3, 1), (4, 5), (40, 41), (41, 1), (100000, 1)) AS w (size, deletions)
WHERE
(
    SELECT cardinality(product.word_deletions(left(string_agg(chr(97 + n % 26), ''), w.size)))
    FROM generate_series(1, w.size) AS n
) <> w.deletions;

-- test: a category means all below it
-- as: app
SELECT ids
FROM jsonb_path_query_array(
    product.search_products(p_category_id => 7, p_limit => 100), '$.items[*].category_id'
) AS ids
WHERE NOT ids @> '[8, 9, 10]' OR ids @> '[1]' OR jsonb_array_length(ids) <> 14;

-- test: an unknown category has nothing
-- as: app
SELECT 1 WHERE product.search_products(p_category_id => 999) -> 'items' <> '[]';

-- test: a price range holds both its ends
-- as: app
SELECT ids
FROM jsonb_path_query_array(
    product.search_products(
        p_currency => 'USD', p_minimum_price => 12900, p_maximum_price => 19900,
        p_sort => 'price_ascending'
    ),
    '$.items[*].price'
) AS ids
WHERE ids <> '[12900, 12900, 12900, 14900, 18900, 19900, 19900]';

-- test: a currency leaves out offers in others
-- as: app
SELECT ids
FROM jsonb_path_query_array(
    product.search_products(p_currency => 'JPY', p_sort => 'price_descending'), '$.items[*].id'
) AS ids
WHERE ids <> '[40]';

-- test: all of some tags, any of some tags
-- as: app
SELECT 1
WHERE jsonb_path_query_array(
    product.search_products(p_tags_all => '{wireless,usb}'), '$.items[*].id'
) <> '[12, 11]'
OR jsonb_path_query_array(
    product.search_products(p_tags_any => '{down,glass}'), '$.items[*].id'
) <> '[36, 26]';

-- test: metadata is searched by containment
-- as: app
SELECT ids
FROM jsonb_path_query_array(
    product.search_products(p_metadata => '{"water_resistant": true}'), '$.items[*].id'
) AS ids
WHERE ids <> '[38, 6, 4]';

-- test: sold out products are left out on request
-- as: app
SELECT 1
WHERE product.search_products('decaf') #>> '{items,0,id}' <> '29'
OR product.search_products('decaf', p_is_in_stock => TRUE) -> 'items' <> '[]';

-- test: an offer that is not active is not found
-- as: app
SELECT 1 WHERE product.search_products('lantern') -> 'items' <> '[]';

-- test: matches are counted, and facets on request
-- as: app
SELECT s
FROM product.search_products('wireless', p_limit => 1, p_with_facets => TRUE) AS s
WHERE s -> 'count' <> '{"matches": 9, "is_capped": false}'
OR s #>> '{facets,brands,0,value}' <> 'Nord'
OR s #> '{facets,categories}' <> (
    SELECT jsonb_agg(jsonb_build_object('value', value, 'products', products))
    FROM (VALUES ('6', 4), ('3', 3), ('4', 2)) AS v (value, products)
);

-- test: a typing error is mended without an extension
-- as: app
SELECT q, product.search_products(q) ->> 'did_you_mean'
FROM (
    VALUES
    ('wireles headphons', 'wireless headphones'),
    ('keybaord', 'keyboard'), ('cofee', 'coffee'), ('grindder', 'grinder'), ('tebt', 'tent')
) AS v (q, meant)
WHERE product.search_products(q) ->> 'did_you_mean' IS DISTINCT FROM meant;

-- test: what means nothing is not mended
-- as: app
SELECT 1 WHERE product.search_products('xyzzyx') ->> 'did_you_mean' IS NOT NULL;

-- test: words of products that are gone are forgotten
DELETE FROM product.products WHERE name LIKE '%tent%';
SELECT product.refresh_search_words();
SELECT word FROM product.product_search_words WHERE word = 'tent';

-- test: an unknown sort is refused
-- as: app
-- raises: SH310
SELECT product.search_products(p_sort => 'cheapest');

-- test: a sort by price without a currency is refused
-- as: app
-- raises: SH311
SELECT product.search_products(p_sort => 'price_ascending');

-- test: a price range without a currency is refused
-- as: app
-- raises: SH311
SELECT product.search_products(p_maximum_price => 100);

-- test: a page of more than the rule is refused
-- as: app
-- raises: SH312
SELECT product.search_products(p_limit => 101);

-- test: an empty page is refused
-- as: app
-- raises: SH312
SELECT product.search_products(p_limit => 0);

-- test: relevance without words is refused
-- as: app
-- raises: SH314
SELECT product.search_products(p_sort => 'relevance');

-- test: a cursor of another sort is refused
-- as: app
-- raises: SH313
SELECT product.search_products(
    p_sort => 'rating', p_cursor => product.search_products(p_sort => 'newest') ->> 'next_cursor'
);

-- test: a cursor of another search is refused
-- as: app
-- raises: SH313
SELECT product.search_products(
    'tent', p_cursor => product.search_products('wireless', p_limit => 1) ->> 'next_cursor'
);

-- test: a cursor that is none is refused
-- as: app
-- raises: SH313
SELECT product.search_products('tent', p_cursor => 'abc');

-- test: a cursor that is not base64 is refused
-- as: app
-- raises: SH313
SELECT product.search_products('tent', p_cursor => '%%%');

-- test: details of a product that is not there are NULL
-- as: app
SELECT 1 WHERE product.get_product_details(987654) IS NOT NULL;

-- test: details are one document with the path from the root
-- as: app
SELECT d
FROM product.get_product_details(24) AS d
WHERE jsonb_path_query_array(d, '$.category_path[*].slug') <> '["home", "kitchen", "coffee"]'
OR jsonb_path_query_array(d, '$.images[*] ? (@.is_primary == true)') = '[]'
OR d #>> '{offer,currency}' <> 'USD'
OR jsonb_array_length(d -> 'newest_reviews') > 5;
