-- What needs what: (address of the one that needs, address of what it needs), each standing for the object that a reader
-- knows. An address is class, oid, column. What belongs to an extension stands for the extension.
WITH stand_in (class, oid, sub, for_class, for_oid, for_sub) AS (
    -- a view's body is the view
    SELECT 'pg_rewrite'::regclass::bigint, r.oid::bigint, 0, 'pg_class'::regclass::bigint, r.ev_class::bigint, 0
    FROM pg_rewrite AS r
    WHERE r.rulename = '_RETURN'
    UNION ALL
    -- a generated column is its expression; a default has an address of its own
    SELECT
        'pg_attrdef'::regclass::bigint, d.oid::bigint, 0,
        CASE WHEN a.attgenerated = '' THEN 'pg_attrdef'::regclass::bigint ELSE 'pg_class'::regclass::bigint END,
        d.adrelid::bigint, d.adnum
    FROM pg_attrdef AS d
    INNER JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    UNION ALL
    -- a row's type is the relation, and a composite type's relation is the type
    SELECT 'pg_type'::regclass::bigint, t.oid::bigint, 0, 'pg_class'::regclass::bigint, c.oid::bigint, 0
    FROM pg_type AS t
    INNER JOIN pg_class AS c ON c.oid = t.typrelid
    WHERE c.relkind <> 'c'
    UNION ALL
    SELECT 'pg_class'::regclass::bigint, c.oid::bigint, NULL, 'pg_type'::regclass::bigint, c.reltype::bigint, 0
    FROM pg_class AS c
    WHERE c.relkind = 'c'
    UNION ALL
    -- an array is its element
    SELECT
        'pg_type'::regclass::bigint, t.oid::bigint, 0,
        CASE WHEN coalesce(c.relkind, 'c') = 'c' THEN 'pg_type'::regclass::bigint ELSE 'pg_class'::regclass::bigint END,
        CASE WHEN coalesce(c.relkind, 'c') = 'c' THEN e.oid::bigint ELSE c.oid::bigint END,
        0
    FROM pg_type AS t
    INNER JOIN pg_type AS e ON e.typarray = t.oid
    LEFT JOIN pg_class AS c ON c.oid = e.typrelid
    UNION ALL
    SELECT 'pg_type'::regclass::bigint, r.rngmultitypid::bigint, 0, 'pg_type'::regclass::bigint, r.rngtypid::bigint, 0
    FROM pg_range AS r
    UNION ALL
    -- a key's index is the constraint, a domain's check is the domain
    SELECT 'pg_class'::regclass::bigint, k.conindid::bigint, 0, 'pg_constraint'::regclass::bigint, k.oid::bigint, 0
    FROM pg_constraint AS k
    WHERE k.contype IN ('p', 'u', 'x')
    UNION ALL
    SELECT 'pg_constraint'::regclass::bigint, k.oid::bigint, 0, 'pg_type'::regclass::bigint, k.contypid::bigint, 0
    FROM pg_constraint AS k
    WHERE k.contypid <> 0
    UNION ALL
    -- an identity's sequence is its column
    SELECT 'pg_class'::regclass::bigint, d.objid::bigint, 0, 'pg_class'::regclass::bigint, d.refobjid::bigint, d.refobjsubid
    FROM pg_depend AS d
    INNER JOIN pg_class AS c ON c.oid = d.objid
    WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'i' AND c.relkind = 'S'
    UNION ALL
    -- what an extension made is the extension
    SELECT d.classid::bigint, d.objid::bigint, d.objsubid, 'pg_extension'::regclass::bigint, d.refobjid::bigint, 0
    FROM pg_depend AS d
    WHERE d.deptype = 'e'
)

SELECT DISTINCT
    ARRAY[coalesce(a.for_class, d.classid::bigint), coalesce(a.for_oid, d.objid::bigint), coalesce(a.for_sub, d.objsubid)] AS needing,
    ARRAY[coalesce(b.for_class, d.refclassid::bigint), coalesce(b.for_oid, d.refobjid::bigint), coalesce(b.for_sub, d.refobjsubid)] AS needed
FROM pg_depend AS d
LEFT JOIN stand_in AS a ON a.class = d.classid AND a.oid = d.objid AND (a.sub = d.objsubid OR a.sub IS NULL)
LEFT JOIN stand_in AS b ON b.class = d.refclassid AND b.oid = d.refobjid AND (b.sub = d.refobjsubid OR b.sub IS NULL)
WHERE d.objid >= 16384 AND d.refobjid >= 16384 AND d.deptype <> 'e'
