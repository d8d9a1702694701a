-- Functions and views with all that depends on them, the furthest first; the server's own words for each. Behind an object
-- that is not ours (`own_classes`, `own_objects`) nobody looks.
WITH RECURSIVE own AS (
    SELECT o.classid, o.objid
    FROM unnest(%(own_classes)s::oid[], %(own_objects)s::oid[]) AS o (classid, objid)
),

edges AS (
    -- a view is bound through its rewrite rule; a partition's copy of a trigger goes with its parent's
    SELECT
        d.refclassid,
        d.refobjid,
        CASE WHEN r.rulename = '_RETURN' THEN 'pg_class'::regclass::oid ELSE d.classid END AS classid,
        CASE WHEN r.rulename = '_RETURN' THEN r.ev_class ELSE d.objid END AS objid,
        d.objsubid,
        d.deptype = 'i' AS is_part
    FROM pg_depend AS d
    LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
    LEFT JOIN pg_trigger AS t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
    WHERE d.deptype IN ('n', 'a', 'i') AND coalesce(t.tgparentid, 0) = 0
),

bound AS (
    SELECT r.classid, r.objid, 0 AS objsubid, 0 AS depth, FALSE AS is_part, TRUE AS is_open
    FROM unnest(%(classes)s::oid[], %(objects)s::oid[]) AS r (classid, objid)
    UNION
    SELECT
        e.classid, e.objid, e.objsubid, b.depth + 1, e.is_part,
        e.is_part OR EXISTS (SELECT 1 FROM own AS o WHERE o.classid = e.classid AND o.objid = e.objid)
    FROM bound AS b
    INNER JOIN edges AS e ON e.refclassid = b.classid AND e.refobjid = b.objid
    WHERE b.is_open AND b.depth < 50 AND (e.classid, e.objid) <> (b.classid, b.objid)
)

SELECT b.classid, b.objid, pg_describe_object(b.classid, b.objid, max(b.objsubid)) AS description
FROM bound AS b
WHERE NOT b.is_part
GROUP BY b.classid, b.objid
ORDER BY max(b.depth) DESC, 3
