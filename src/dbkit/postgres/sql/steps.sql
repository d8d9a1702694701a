-- The statements of a migration that were begun or finished, one by one, since its last end in that direction.
SELECT
    j.event,
    j.statement,
    j.rendered,
    j.checksum,
    coalesce((j.detail ->> 'again')::boolean, FALSE)
FROM dbkit.journal AS j
WHERE
    j.object = %(object)s AND j.event IN ('intended', 'done')
    AND coalesce(j.detail ->> 'direction', 'up') = %(direction)s
    AND j.id > coalesce((
        SELECT max(e.id)
        FROM dbkit.journal AS e
        WHERE e.object = %(object)s AND e.event IN ('applied', 'rolled back', 'baselined', 'repaired')
    ), 0)
ORDER BY j.id
