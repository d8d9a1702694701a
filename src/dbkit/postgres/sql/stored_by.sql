-- What stored rows were judged or computed by: constraints, index expressions, generated columns and partition keys that
-- call one of the functions, or a function with a bound body that does.
WITH RECURSIVE calling AS (
    SELECT f.oid FROM unnest(%(functions)s::oid[]) AS f (oid)
    UNION
    SELECT d.objid
    FROM calling AS c
    INNER JOIN pg_depend AS d ON d.refclassid = 'pg_proc'::regclass AND d.refobjid = c.oid AND d.classid = 'pg_proc'::regclass
)

SELECT DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid)
FROM calling AS c
INNER JOIN pg_depend AS d ON d.refclassid = 'pg_proc'::regclass AND d.refobjid = c.oid
LEFT JOIN pg_class AS r ON d.classid = 'pg_class'::regclass AND r.oid = d.objid
LEFT JOIN pg_attrdef AS f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
LEFT JOIN pg_attribute AS a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
LEFT JOIN pg_constraint AS k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
WHERE
    (k.oid IS NOT NULL AND k.conparentid = 0 AND k.coninhcount = 0)
    OR (r.relkind IN ('i', 'I', 'p') AND NOT r.relispartition)
    OR a.attgenerated <> ''
    OR d.classid = 'pg_statistic_ext'::regclass
ORDER BY 1
