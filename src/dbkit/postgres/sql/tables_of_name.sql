-- tables of one of these names that have these columns, the first name first
SELECT
    n.nspname,
    c.relname
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE
    c.relname = ANY(%(names)s)
    AND c.relkind IN ('r', 'p')
    AND (
        SELECT count(*)
        FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attname = ANY(%(columns)s::text[])
    ) = cardinality(%(columns)s::text[])
ORDER BY array_position(%(names)s::text[], c.relname::text), n.nspname;
