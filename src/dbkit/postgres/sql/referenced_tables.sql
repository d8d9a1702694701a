SELECT ARRAY[n.nspname, c.relname]
FROM (
    SELECT DISTINCT coalesce(pg_partition_root(k.confrelid), k.confrelid) AS oid
    FROM pg_constraint AS k
    WHERE k.conrelid = to_regclass(%s) AND k.contype = 'f'
) AS r
INNER JOIN pg_class AS c ON c.oid = r.oid
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
ORDER BY c.oid
