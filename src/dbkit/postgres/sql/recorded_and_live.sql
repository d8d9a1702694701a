-- Objects as they are, each with its record: that of the object (`recorded`), or of one of its name.
WITH wanted AS MATERIALIZED (
    SELECT o.classid, o.objid, o.routine, o.recorded
    FROM unnest(%(classes)s::oid[], %(objects)s::oid[], %(routines)s::text[], %(recorded)s::text[])
        AS o (classid, objid, routine, recorded)
),

live AS (
{live}
)

SELECT
    w.routine, w.recorded, d.definition, coalesce(d.is_adopted AND w.recorded IS NOT NULL, FALSE),
    l.classid, l.objid, l.object, l.name, l.version, l.definition, l.traits
FROM wanted AS w
LEFT JOIN live AS l ON l.classid = w.classid AND l.objid = w.objid
LEFT JOIN dbkit.definition AS d ON d.object = coalesce(w.recorded, l.object)
WHERE
    l.objid IS NULL OR w.recorded IS NULL
    OR (l.object, l.version, l.definition, l.traits) IS DISTINCT FROM (d.object, d.version, d.definition, d.traits)
