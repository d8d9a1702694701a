-- Tables, views, materialised views and sequences; a partition names the table that it is one of.
SELECT
    CASE c.relkind
        WHEN 'v' THEN 'view'
        WHEN 'm' THEN 'materialized view'
        WHEN 'f' THEN 'foreign table'
        WHEN 'S' THEN 'sequence'
        ELSE 'table'
    END AS kind,
    n.nspname::text AS schema,
    NULL::text AS relation,
    c.relname::text AS name,
    jsonb_strip_nulls(jsonb_build_object(
        'owner', pg_get_userbyid(c.relowner),
        'comment', obj_description(c.oid, 'pg_class'),
        'privileges', coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))::text[],
        'persistence', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' ELSE 'LOGGED' END,
        'options', (SELECT array_agg(o ORDER BY o COLLATE "C") FROM unnest(c.reloptions) AS o),
        'toast_options', (SELECT array_agg(o ORDER BY o COLLATE "C") FROM unnest(t.reloptions) AS o),
        'tablespace', s.spcname,
        'access_method', nullif(a.amname, 'heap'),
        'definition', CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
        'partitioned_by', CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END,
        'row_security', CASE WHEN c.relkind IN ('r', 'p') THEN c.relrowsecurity END,
        'forced_row_security', CASE WHEN c.relkind IN ('r', 'p') THEN c.relforcerowsecurity END,
        'replica_identity', CASE
            WHEN c.relkind NOT IN ('r', 'p') THEN NULL
            WHEN c.relreplident = 'f' THEN 'FULL'
            WHEN c.relreplident = 'n' THEN 'NOTHING'
            WHEN c.relreplident = 'i' THEN (
                SELECT format('USING INDEX %%I', i.relname)
                FROM pg_index AS x
                INNER JOIN pg_class AS i ON i.oid = x.indexrelid
                WHERE x.indrelid = c.oid AND x.indisreplident
            )
            ELSE 'DEFAULT'
        END,
        'inherits', (
            SELECT array_agg(h.inhparent::regclass::text ORDER BY h.inhseqno)
            FROM pg_inherits AS h
            WHERE h.inhrelid = c.oid AND NOT c.relispartition
        ),
        'partition_of', (
            SELECT format('%%s.%%s', pn.nspname, pc.relname)
            FROM pg_inherits AS h
            INNER JOIN pg_class AS pc ON pc.oid = h.inhparent
            INNER JOIN pg_namespace AS pn ON pn.oid = pc.relnamespace
            WHERE h.inhrelid = c.oid AND c.relispartition
        ),
        'parameters', CASE c.relkind WHEN 'S' THEN (
            SELECT format(
                'AS %%s START WITH %%s INCREMENT BY %%s MINVALUE %%s MAXVALUE %%s CACHE %%s %%s',
                format_type(q.seqtypid, NULL), q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache,
                CASE WHEN q.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END
            )
            FROM pg_sequence AS q
            WHERE q.seqrelid = c.oid
        ) END,
        'of_type', CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END,
        'bound', CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END,
        'server', (SELECT w.srvname FROM pg_foreign_table AS f INNER JOIN pg_foreign_server AS w ON w.oid = f.ftserver WHERE f.ftrelid = c.oid),
        'foreign_options', (
            SELECT array_agg(o ORDER BY o COLLATE "C") FROM pg_foreign_table AS f CROSS JOIN unnest(f.ftoptions) AS o WHERE f.ftrelid = c.oid
        ),
        'owned_by', CASE c.relkind WHEN 'S' THEN (
            SELECT format('%%s.%%I', d.refobjid::regclass, b.attname)
            FROM pg_depend AS d
            INNER JOIN pg_attribute AS b ON b.attrelid = d.refobjid AND b.attnum = d.refobjsubid
            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'a'
        ) END
    )) AS details,
    ARRAY['pg_class'::regclass::bigint, c.oid::bigint, 0] AS address
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_class AS t ON t.oid = c.reltoastrelid
LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace
LEFT JOIN pg_am AS a ON a.oid = c.relam
WHERE
    n.nspname = ANY(%(schemas)s::text[])
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    AND c.relname <> ALL(%(invisible)s::text[])
    AND NOT EXISTS (
        SELECT 1
        FROM pg_depend AS d
        WHERE
            d.classid = 'pg_class'::regclass AND d.objid = c.oid
            AND (d.deptype = 'e' OR (d.deptype = 'i' AND c.relkind = 'S'))
    )
