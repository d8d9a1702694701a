-- 29,991 words by frequency, 60,000 phrases of them. How often a word comes falls with its number,
-- as words do (Zipf-Mandelbrot): the first ones are in a fifth of all products, the last in 80 of a
-- million.
CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO public;

CREATE FUNCTION bench.word(p_number integer)
RETURNS text
LANGUAGE sql
IMMUTABLE PARALLEL SAFE
RETURN substr(
    'bacedifoguhajekilomunaperisotuvawexiyozubocadefigohujakelimonupa',
    1 + 2 * mod(p_number, 32), 2
)
|| substr('rnsltmdkbpgvzfch', 1 + mod(p_number / 32, 16), 1)
|| substr('aeiou', 1 + mod(p_number / 512, 5), 1)
|| CASE
    WHEN p_number < 2560 THEN '' ELSE substr('rnsltmdkbpgvzfch', p_number / 2560, 1) || 'o'
END
|| 'x';

CREATE FUNCTION bench.draw(p_values double precision)
RETURNS integer
LANGUAGE sql
VOLATILE PARALLEL SAFE
RETURN floor(exp(random() * ln(p_values)))::integer;

SELECT setseed(0.42);

CREATE UNLOGGED TABLE bench.phrases AS
SELECT
    n,
    (
        SELECT string_agg(bench.word(d.word), ' ')
        FROM (
            SELECT floor(10 * exp(random() * ln(3000::double precision)))::integer - 10 AS word
            FROM generate_series(1, 7 + 0 * n)
            OFFSET 0
        ) AS d
    ) AS words
FROM generate_series(0, 59999) AS n;

ANALYZE bench.phrases;

SET session_replication_role = replica;

-- 10 categories, 10 in each, 5 in each of these.
INSERT INTO product.categories (id, parent_id, path, slug, name)
OVERRIDING SYSTEM VALUE
SELECT
    n,
    CASE WHEN n > 110 THEN 11 + (n - 111) / 5 WHEN n > 10 THEN 1 + (n - 11) / 10 END,
    CASE
        WHEN n > 110 THEN ARRAY[1 + (n - 111) / 50, 11 + (n - 111) / 5, n]
        WHEN n > 10 THEN ARRAY[1 + (n - 11) / 10, n]
        ELSE ARRAY[n]
    END,
    'category-' || n,
    'Category ' || n
FROM generate_series(1, 610) AS n;

CREATE TABLE bench.indexes AS
SELECT
    i.indexrelid::regclass::text AS name,
    pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index AS i
WHERE
    i.indrelid IN (
        'product.products'::regclass, 'product.product_offers'::regclass,
        'product.product_listings'::regclass
    )
    AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = i.indexrelid);
