-- Objects as journalled, and as they are.
WITH suspects AS MATERIALIZED (
    SELECT d.* FROM dbkit.definition AS d WHERE d.object = ANY(%(objects)s)
),

wanted AS MATERIALIZED (
    -- by name: an object that was dropped and made again has another oid, and so has all after an upgrade or a restore
    SELECT
        s.object AS journalled,
        s.classid,
        coalesce(
            (SELECT p.oid FROM pg_proc AS p
             WHERE p.proname = s.name AND p.prokind <> 'a'
                 AND CASE p.prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END || p.oid::regprocedure::text = s.object),
            (SELECT c.oid FROM pg_class AS c
             WHERE c.relname = s.name AND c.relkind IN ('v', 'm')
                 AND CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW ' ELSE 'VIEW ' END || c.oid::regclass::text = s.object),
            (SELECT t.oid FROM pg_trigger AS t
             WHERE t.tgname = s.name AND format('TRIGGER %%I ON %%s', t.tgname, t.tgrelid::regclass) = s.object)
        ) AS objid
    FROM suspects AS s
),

live AS (
{live}
)

SELECT
    s.routine, s.object, s.definition, s.traits, s.major, s.is_adopted,
    l.classid, l.objid, l.object, l.name, l.version, l.definition, l.traits
FROM suspects AS s
INNER JOIN wanted AS w ON w.journalled = s.object
LEFT JOIN live AS l ON l.classid = w.classid AND l.objid = w.objid
ORDER BY s.routine, s.object
