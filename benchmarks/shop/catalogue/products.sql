-- Four words of a name, one of which is of the product's category; 21 of a description, and
-- "quality" in 69 of 100. What a category costs lies within a narrow range of its own.
INSERT INTO product.products (
    id, category_id, sku, name, brand, description, tags, metadata, created_at
)
OVERRIDING SYSTEM VALUE
SELECT
    d.n,
    110 + d.shelf,
    'SKU-' || d.n,
    bench.word(2000 + 17 * d.shelf + (40 * random() * random())::integer) || ' ' || e.words,
    bench.word(20000 + d.brand),
    CASE WHEN mod(d.n, 100) < 69 THEN 'quality ' ELSE '' END
    || concat_ws(' ', a.words, b.words, c.words),
    (
        SELECT coalesce(array_agg(DISTINCT 'tag' || bench.draw(300)), '{}')
        FROM generate_series(1, mod(d.n, 6))
    ),
    jsonb_build_object(
        'color',
        (ARRAY['black', 'white', 'grey', 'blue', 'red', 'green', 'silver', 'walnut'])[
            1 + floor(8 * random() * random())::integer
        ],
        'size', 1 + mod(d.n, 12),
        'batch', d.n / 50
    ),
    timestamptz '2021-01-01' + d.n * interval '2 minutes'
FROM (
    SELECT
        n,
        mod((60000 * random())::integer, 60000) AS first,
        mod((60000 * random())::integer, 60000) AS second,
        mod((60000 * random())::integer, 60000) AS third,
        mod((60000 * random())::integer, 60000) AS fourth,
        bench.draw(500) AS shelf,
        bench.draw(2000) AS brand
    FROM generate_series(%(first)s::integer, %(last)s::integer) AS n
    OFFSET 0
) AS d
INNER JOIN bench.phrases AS a ON d.first = a.n
INNER JOIN bench.phrases AS b ON d.second = b.n
INNER JOIN bench.phrases AS c ON d.third = c.n
INNER JOIN (
    SELECT p.n, split_part(p.words, ' ', 1) || ' ' || split_part(p.words, ' ', 2) AS words
    FROM bench.phrases AS p
) AS e ON d.fourth = e.n;
