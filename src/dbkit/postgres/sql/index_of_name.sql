-- What has the name that an index of the table would have: how to name it, whether it is one of the
-- table's indexes, whether it is valid, its definition.
SELECT
    c.oid::regclass::text,
    coalesce(i.indrelid = t.oid, FALSE),
    i.indisvalid AND i.indisready,
    pg_get_indexdef(i.indexrelid)
FROM pg_class AS t
INNER JOIN pg_class AS c ON c.relnamespace = t.relnamespace AND c.relname = %(name)s
LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
WHERE t.oid = to_regclass(%(table)s)
