-- Constraints and indexes. What a partition has of its parent goes by the parent's name.
SELECT
    'constraint' AS kind,
    n.nspname::text AS schema,
    c.relname::text AS relation,
    coalesce(up.conname, k.conname)::text AS name,
    jsonb_strip_nulls(jsonb_build_object(
        'definition', pg_get_constraintdef(k.oid),
        'options', (SELECT array_agg(o ORDER BY o COLLATE "C") FROM unnest(i.reloptions) AS o),
        'clustered', CASE WHEN x.indisclustered THEN TRUE END,
        'tablespace', s.spcname,
        -- ALTER TABLE … DISABLE TRIGGER ALL: nothing asks whether the row is there
        'disabled', CASE
            WHEN k.contype = 'f' AND EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgconstraint = k.oid AND t.tgenabled <> 'O')
            THEN TRUE
        END,
        'comment', obj_description(k.oid, 'pg_constraint')
    )) AS details,
    ARRAY['pg_constraint'::regclass::bigint, k.oid::bigint, 0] AS address
FROM pg_constraint AS k
INNER JOIN pg_class AS c ON c.oid = k.conrelid
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_constraint AS up ON up.oid = k.conparentid AND up.conrelid <> k.conrelid
LEFT JOIN pg_index AS x ON x.indexrelid = k.conindid AND x.indrelid = k.conrelid AND k.contype <> 'f'
LEFT JOIN pg_class AS i ON i.oid = x.indexrelid
LEFT JOIN pg_tablespace AS s ON s.oid = i.reltablespace
WHERE
    n.nspname = ANY(%(schemas)s::text[])
    AND c.relname <> ALL(%(invisible)s::text[])
    AND k.contype IN ('c', 'p', 'u', 'x', 'f')
    AND (k.coninhcount = 0 OR c.relispartition)
    -- the copies that a foreign key to a partitioned table makes for its partitions
    AND NOT EXISTS (SELECT 1 FROM pg_constraint AS o WHERE o.oid = k.conparentid AND o.conrelid = k.conrelid)
UNION ALL
SELECT
    'index',
    n.nspname::text,
    c.relname::text,
    coalesce(upper_index.relname, i.relname)::text,
    jsonb_strip_nulls(jsonb_build_object(
        'definition', format('%%s', substring(pg_get_indexdef(i.oid) FROM ' USING (.*)$')),
        'unique', CASE WHEN x.indisunique THEN TRUE END,
        'valid', x.indisvalid,
        'clustered', CASE WHEN x.indisclustered THEN TRUE END,
        'tablespace', s.spcname,
        'statistics', (
            SELECT jsonb_object_agg(a.attnum, a.attstattarget)
            FROM pg_attribute AS a
            WHERE a.attrelid = i.oid AND a.attstattarget >= 0
        ),
        'comment', obj_description(i.oid, 'pg_class')
    )),
    ARRAY['pg_class'::regclass::bigint, i.oid::bigint, 0]
FROM pg_index AS x
INNER JOIN pg_class AS i ON i.oid = x.indexrelid
INNER JOIN pg_class AS c ON c.oid = x.indrelid
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits AS h ON h.inhrelid = i.oid
LEFT JOIN pg_class AS upper_index ON upper_index.oid = h.inhparent
LEFT JOIN pg_tablespace AS s ON s.oid = i.reltablespace
WHERE
    n.nspname = ANY(%(schemas)s::text[])
    AND c.relkind IN ('r', 'p', 'm')
    AND c.relname <> ALL(%(invisible)s::text[])
    AND NOT EXISTS (
        SELECT 1 FROM pg_constraint AS k WHERE k.conindid = i.oid AND k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x')
    )
UNION ALL
SELECT
    'statistics',
    n.nspname::text,
    NULL,
    s.stxname::text,
    jsonb_strip_nulls(jsonb_build_object(
        'definition', pg_get_statisticsobjdef(s.oid),
        'owner', pg_get_userbyid(s.stxowner),
        'target', CASE WHEN s.stxstattarget >= 0 THEN s.stxstattarget END,
        'comment', obj_description(s.oid, 'pg_statistic_ext')
    )),
    ARRAY['pg_statistic_ext'::regclass::bigint, s.oid::bigint, 0]
FROM pg_statistic_ext AS s
INNER JOIN pg_namespace AS n ON n.oid = s.stxnamespace
WHERE n.nspname = ANY(%(schemas)s::text[])
