-- Columns. NOT NULL is a property of the column, whatever the server keeps it as.
SELECT
    'column' AS kind,
    n.nspname::text AS schema,
    c.relname::text AS relation,
    a.attname::text AS name,
    jsonb_strip_nulls(jsonb_build_object(
        'of', c.relkind,
        'type', format_type(a.atttypid, a.atttypmod),
        'collation', CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
        'default', CASE a.attgenerated WHEN '' THEN pg_get_expr(d.adbin, d.adrelid) END,
        'generated', CASE WHEN a.attgenerated <> '' THEN format(
            'GENERATED ALWAYS AS (%%s) %%s',
            pg_get_expr(d.adbin, d.adrelid), CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END
        ) END,
        'identity', CASE WHEN a.attidentity <> '' THEN (
            SELECT format(
                'GENERATED %%s AS IDENTITY (START WITH %%s INCREMENT BY %%s MINVALUE %%s MAXVALUE %%s CACHE %%s %%s)',
                CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END,
                q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache,
                CASE WHEN q.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END
            )
            FROM pg_depend AS p
            INNER JOIN pg_sequence AS q ON q.seqrelid = p.objid
            WHERE
                p.classid = 'pg_class'::regclass AND p.deptype = 'i'
                AND p.refclassid = 'pg_class'::regclass AND p.refobjid = c.oid AND p.refobjsubid = a.attnum
        ) END,
        'not_null', a.attnotnull,
        'storage', CASE WHEN a.attstorage <> t.typstorage AND c.relkind IN ('r', 'p', 'm') THEN
            CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'x' THEN 'EXTENDED' ELSE 'MAIN' END
        END,
        'compression', CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END,
        'statistics', CASE WHEN a.attstattarget >= 0 THEN a.attstattarget END,
        -- the two that a person can set: a server may keep numbers of its own beside them
        'options', (SELECT array_agg(o ORDER BY o COLLATE "C") FROM unnest(a.attoptions) AS o WHERE o LIKE 'n\_distinct%%'),
        'comment', col_description(c.oid, a.attnum),
        'privileges', a.attacl::text[],
        'foreign_options', (SELECT array_agg(o ORDER BY o COLLATE "C") FROM unnest(a.attfdwoptions) AS o)
    )) AS details,
    ARRAY['pg_class'::regclass::bigint, c.oid::bigint, a.attnum] AS address
FROM pg_attribute AS a
INNER JOIN pg_class AS c ON c.oid = a.attrelid
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
INNER JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE
    n.nspname = ANY(%(schemas)s::text[])
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND c.relname <> ALL(%(invisible)s::text[])
    AND a.attnum > 0
    AND NOT a.attisdropped
    AND (a.attinhcount = 0 OR c.relispartition)
    AND NOT EXISTS (
        SELECT 1 FROM pg_depend AS e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'
    )
