-- The schema of a target, and those that its owner has beside it.
SELECT n.nspname
FROM pg_namespace AS n
WHERE
    n.nspname = %(schema)s
    OR (
        pg_get_userbyid(n.nspowner) = %(owner)s
        AND n.nspname NOT IN ('public', 'dbkit', 'information_schema')
        AND n.nspname !~ '^pg_'
        AND NOT EXISTS (
            SELECT 1
            FROM pg_class AS c
            WHERE c.relnamespace = n.oid AND c.relname = '_yoyo_version'
        )
    )
ORDER BY n.nspname
