-- The first row of the journal whose hash is not that of its content, or which does not follow the row before it.
SELECT j.id, j.object
FROM (
    SELECT
        e AS entry,
        e.id,
        e.object,
        e.previous,
        e.hash,
        lag(e.hash, 1, '\x'::bytea) OVER (ORDER BY e.id) AS before
    FROM dbkit.journal AS e
) AS j
WHERE j.previous <> j.before OR j.hash <> dbkit.journal_row_hash(j.previous, j.entry)
ORDER BY j.id
LIMIT 1
