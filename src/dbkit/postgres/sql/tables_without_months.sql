SELECT a.table_name::text
FROM ops.partitions_ahead() AS a
INNER JOIN pg_class AS c ON c.oid = a.table_name
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE EXISTS (
    SELECT FROM ops.missing_months(a.table_name, 4) AS m
    -- a month gone by whose table is there, detached, was taken off on purpose
    WHERE m.ends_at > now() OR to_regclass(
        format('%I.%I', n.nspname, left(c.relname, 54) || to_char(m.starts_at AT TIME ZONE 'UTC', '"_p"YYYY"_"MM'))
    ) IS NULL
)
ORDER BY c.oid
