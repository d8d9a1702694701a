-- Objects as they are.
WITH wanted AS (
    SELECT o.classid, o.objid
    FROM unnest(%(classes)s::oid[], %(objects)s::oid[]) AS o (classid, objid)
),

live AS (
{live}
)

SELECT l.classid, l.objid, l.object, l.name, l.version, l.definition, l.traits
FROM live AS l
