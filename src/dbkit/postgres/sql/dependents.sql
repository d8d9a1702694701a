-- What is bound to the given relations and functions (schema.name, or a name alone, which may be in
-- the service's schema or on the search_path): views, materialised views, functions with a bound
-- body and triggers, those furthest away first. A trigger goes with its table where that is
-- dropped (`ended`), and is in the way of a column that it names where the table is `reshaped`.
WITH RECURSIVE spelled AS (
    SELECT
        n.oid AS namespace,
        p.prefix
    FROM pg_namespace AS n
    CROSS JOIN LATERAL (
        SELECT n.nspname || '.'
        UNION ALL
        SELECT ''
        WHERE n.nspname = %(schema)s OR n.nspname = ANY(current_schemas(FALSE))
    ) AS p (prefix)
),

roots AS (
    SELECT
        'pg_class'::regclass::oid AS classid,
        c.oid,
        s.prefix || c.relname = ANY(%(ended)s::text[]) AS is_ended
    FROM pg_class AS c
    INNER JOIN spelled AS s ON s.namespace = c.relnamespace
    WHERE s.prefix || c.relname = ANY(%(ended)s::text[] || %(reshaped)s::text[])
    UNION ALL
    SELECT
        'pg_type'::regclass::oid,
        t.oid,
        TRUE
    FROM pg_type AS t
    INNER JOIN spelled AS s ON s.namespace = t.typnamespace
    WHERE s.prefix || ltrim(t.typname, '_') = ANY(%(ended)s::text[])
    UNION ALL
    SELECT
        'pg_proc'::regclass::oid,
        p.oid,
        TRUE
    FROM pg_proc AS p
    INNER JOIN spelled AS s ON s.namespace = p.pronamespace
    WHERE s.prefix || p.proname = ANY(%(functions)s::text[])
),

edges AS (
    -- a view is bound through its rewrite rule
    SELECT
        d.refclassid,
        d.refobjid,
        'pg_class'::regclass::oid AS classid,
        r.ev_class AS objid
    FROM pg_depend AS d
    INNER JOIN pg_rewrite AS r ON r.oid = d.objid
    WHERE d.classid = 'pg_rewrite'::regclass AND d.deptype = 'n' AND r.ev_class <> d.refobjid
    UNION ALL
    SELECT
        d.refclassid,
        d.refobjid,
        d.classid,
        d.objid
    FROM pg_depend AS d
    WHERE d.deptype = 'n' AND (
        d.classid = 'pg_proc'::regclass
        OR (d.classid = 'pg_trigger'::regclass AND d.refclassid = 'pg_proc'::regclass)
    )
    UNION ALL
    SELECT
        'pg_class'::regclass::oid,
        t.tgrelid,
        'pg_trigger'::regclass::oid,
        t.oid
    FROM pg_trigger AS t
    INNER JOIN roots AS r ON r.classid = 'pg_class'::regclass AND r.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND (
        r.is_ended OR EXISTS (
            SELECT 1
            FROM pg_depend AS d
            WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid AND d.refobjsubid > 0
        )
    )
),

bound AS (
    SELECT
        e.classid,
        e.objid,
        1 AS depth
    FROM edges AS e
    INNER JOIN roots AS r ON r.classid = e.refclassid AND r.oid = e.refobjid
    UNION
    SELECT
        e.classid,
        e.objid,
        b.depth + 1
    FROM edges AS e
    INNER JOIN bound AS b ON b.classid = e.refclassid AND b.objid = e.refobjid
    WHERE b.depth < 20
)

SELECT
    b.classid,
    b.objid,
    CASE b.classid
        WHEN 'pg_proc'::regclass
            THEN CASE p.prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END || p.oid::regprocedure::text
        WHEN 'pg_trigger'::regclass THEN format('TRIGGER %%I ON %%s', t.tgname, t.tgrelid::regclass)
        ELSE CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW ' ELSE 'VIEW ' END || c.oid::regclass::text
    END AS object
FROM bound AS b
LEFT JOIN pg_proc AS p ON b.classid = 'pg_proc'::regclass AND p.oid = b.objid
LEFT JOIN pg_trigger AS t ON b.classid = 'pg_trigger'::regclass AND t.oid = b.objid
LEFT JOIN pg_class AS c ON b.classid = 'pg_class'::regclass AND c.oid = b.objid
WHERE c.relkind IS NULL OR c.relkind IN ('v', 'm')
GROUP BY 1, 2, 3
ORDER BY max(b.depth) DESC, 3;
