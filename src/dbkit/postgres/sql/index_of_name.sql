-- The index of that name on the table: how to name it, whether it is valid, its definition.
SELECT i.indexrelid::regclass::text, i.indisvalid AND i.indisready, pg_get_indexdef(i.indexrelid)
FROM pg_index AS i
INNER JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = to_regclass(%(table)s) AND c.relname = %(name)s
