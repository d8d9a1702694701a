-- What of a service's routines is gone, or may read differently since this transaction: it wrote the object itself, or what
-- the object depends on. What somebody else changed meanwhile is left out. Nothing is printed: to print a view locks what it reads.
WITH known AS MATERIALIZED (
    SELECT
        d.classid,
        d.objid,
        d.routine,
        d.object,
        d.version,
        coalesce(p.xmin::text, t.xmin::text, c.xmin || '.' || r.xmin) AS version_now,
        least(age(p.xmin), age(t.xmin), age(c.xmin), age(r.xmin)) <= 0 AS is_ours,
        CASE WHEN r.oid IS NULL THEN d.classid ELSE 'pg_rewrite'::regclass END AS bound_classid,
        coalesce(r.oid, d.objid) AS bound_objid
    FROM dbkit.definition AS d
    LEFT JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
    LEFT JOIN pg_trigger AS t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
    LEFT JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
    LEFT JOIN pg_rewrite AS r ON r.ev_class = c.oid AND r.rulename = '_RETURN'
    WHERE
        d.service = %(service)s AND d.objid IS NOT NULL AND d.object <> ALL(%(skip)s::text[])
)

SELECT k.classid, k.objid, k.routine, k.object
FROM known AS k
WHERE
    k.version_now IS NULL OR k.is_ours
    OR (
        k.version_now = k.version
        AND (
            EXISTS (
                SELECT 1
                FROM pg_depend AS d
                LEFT JOIN pg_class AS c ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid
                LEFT JOIN pg_proc AS p ON d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid
                LEFT JOIN pg_type AS y ON d.refclassid = 'pg_type'::regclass AND y.oid = d.refobjid
                LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
                WHERE
                    d.classid = k.bound_classid AND d.objid = k.bound_objid
                    AND least(age(c.xmin), age(p.xmin), age(y.xmin), age(a.xmin)) <= 0
            )
            OR EXISTS (SELECT 1 FROM pg_namespace AS n WHERE age(n.xmin) <= 0)
        )
    )
