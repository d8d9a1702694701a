-- Invalid copies that an ended REINDEX CONCURRENTLY left: of an index, of a table's, or of a whole schema or database.
SELECT i.indexrelid::regclass::text
FROM pg_index AS i
INNER JOIN pg_class AS c ON c.oid = i.indexrelid
INNER JOIN pg_class AS t ON t.oid = i.indrelid
INNER JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE
    NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND n.nspname <> 'pg_toast'
    AND (
        n.nspname = %(schema)s::text
        OR current_database() = %(schema)s::text
        OR i.indrelid IN (
            SELECT to_regclass(%(name)s)
            UNION ALL
            SELECT s.indrelid
            FROM pg_index AS s
            WHERE s.indexrelid = to_regclass(%(name)s)
        )
    )
ORDER BY 1
