-- Migrations of a service whose rollback began, statement by statement, and neither ended nor was cleared.
SELECT DISTINCT j.object
FROM dbkit.journal AS j
WHERE
    j.service = %(service)s AND j.event IN ('intended', 'done') AND j.detail ->> 'direction' = 'down'
    AND NOT EXISTS (
        SELECT 1
        FROM dbkit.journal AS e
        WHERE e.object = j.object AND e.id > j.id AND e.event IN ('applied', 'rolled back', 'baselined', 'repaired')
    )
