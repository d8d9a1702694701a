-- What was made since `after` belongs to the extension, as it would had the server it.
INSERT INTO pg_depend (classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype)
SELECT made.class, made.oid, 0, 'pg_extension'::regclass, e.oid, 0, 'e'
FROM pg_extension AS e
CROSS JOIN (
    SELECT 'pg_type'::regclass::oid AS class, t.oid
    FROM pg_type AS t
    WHERE t.typcategory <> 'A'
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid
    FROM pg_proc AS p
    UNION ALL
    SELECT 'pg_cast'::regclass, k.oid
    FROM pg_cast AS k
    UNION ALL
    SELECT 'pg_operator'::regclass, o.oid
    FROM pg_operator AS o
) AS made
WHERE e.extname = %(extension)s AND made.oid > %(after)s
