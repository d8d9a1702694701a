-- The service's routines that another service, or schema, of this database has deployed too, and that one's name for each:
-- of those that make something in no target's own schema (every target has yoyo's tables in its own).
SELECT
    mine.object,
    min(theirs.object)
FROM dbkit.state AS mine
INNER JOIN dbkit.state AS theirs
    ON
        theirs.service <> mine.service
        AND substr(theirs.object, strpos(theirs.object, '/')) = substr(mine.object, strpos(mine.object, '/'))
WHERE
    mine.service = %(service)s
    AND (mine.kind, mine.event) = ('routine', 'deployed')
    AND (theirs.kind, theirs.event) = ('routine', 'deployed')
    AND EXISTS (
        SELECT 1
        FROM dbkit.definition AS d
        LEFT JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
        LEFT JOIN pg_trigger AS t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
        LEFT JOIN pg_class AS c ON c.oid = coalesce(t.tgrelid, CASE d.classid WHEN 'pg_class'::regclass THEN d.objid END)
        WHERE
            d.routine IN (mine.object, theirs.object)
            AND coalesce(p.pronamespace, c.relnamespace) IS NOT NULL
            AND NOT EXISTS (
                SELECT 1
                FROM pg_class AS y
                WHERE y.relname = '_yoyo_version' AND y.relnamespace = coalesce(p.pronamespace, c.relnamespace)
            )
    )
GROUP BY mine.object
