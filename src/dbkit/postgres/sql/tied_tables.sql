SELECT ARRAY[n.nspname, c.relname]
FROM (
    SELECT DISTINCT coalesce(pg_partition_root(e.oid), e.oid) AS oid
    FROM pg_constraint AS k, unnest(ARRAY[k.conrelid, k.confrelid]) AS e (oid)
    WHERE k.contype = 'f' AND to_regclass(%s) IN (k.conrelid, k.confrelid)
) AS r
INNER JOIN pg_class AS c ON c.oid = r.oid
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
ORDER BY c.oid
