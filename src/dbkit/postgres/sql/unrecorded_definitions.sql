-- What a service's routines made, where it is not as it is recorded: new, rewritten by this transaction or with what it
-- depends on, or gone. What somebody else changed meanwhile is left out: its record stays.
WITH wanted AS MATERIALIZED (
    SELECT d.classid, d.objid, d.routine, d.object AS recorded, FALSE AS is_made
    FROM dbkit.definition AS d
    WHERE
        d.service = %(service)s AND d.objid IS NOT NULL AND d.object <> ALL(%(skip)s::text[])
        AND (d.classid, d.objid) NOT IN (SELECT * FROM unnest(%(classes)s::oid[], %(objects)s::oid[]))
    UNION ALL
    SELECT m.classid, m.objid, m.routine, NULL, TRUE
    FROM unnest(%(classes)s::oid[], %(objects)s::oid[], %(routines)s::text[]) AS m (classid, objid, routine)
),

live AS (
{live}
)

SELECT
    w.routine, w.recorded, d.definition, coalesce(d.is_adopted AND NOT w.is_made, FALSE),
    l.classid, l.objid, l.object, l.name, l.version, l.definition, l.traits
FROM wanted AS w
LEFT JOIN live AS l ON l.classid = w.classid AND l.objid = w.objid
LEFT JOIN dbkit.definition AS d ON d.object = coalesce(w.recorded, l.object)
WHERE
    (w.is_made AND l.objid IS NOT NULL)
    OR (NOT w.is_made AND l.objid IS NULL)
    OR (
        NOT w.is_made AND (l.is_ours OR l.version = d.version)
        AND (l.object, l.version, l.definition, l.traits) IS DISTINCT FROM (d.object, d.version, d.definition, d.traits)
    )
