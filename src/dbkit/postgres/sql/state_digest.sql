-- A hash of all that a plan for the service depends on: equal hashes, equal plans. And when it was last changed.
-- A database where somebody touched what a routine made is like no other.
SELECT
    encode(sha256(convert_to(concat_ws(
        E'\n',
        (SELECT max(v.version) FROM dbkit.version AS v),
        string_agg(
            concat_ws(
                ' ', s.object, s.kind, s.event, coalesce(s.text_hash, '-'), coalesce(s.checksum, '-'),
                s.detail - ARRAY['rows', 'chunks']
            ),
            E'\n' ORDER BY s.object COLLATE "C"
        ),
        (SELECT string_agg(h.object, E'\n' ORDER BY h.object COLLATE "C") FROM ({half_undone}) AS h),
        (
            SELECT j.event = 'finished'
            FROM dbkit.journal AS j
            WHERE
                j.service = %(service)s
                AND j.event IN ('applied', 'rolled back', 'deployed', 'dropped', 'finished')
            ORDER BY j.id DESC
            LIMIT 1
        ),
        (SELECT max(current_database()) FROM ({suspects}) AS d)
    ), 'UTF8')), 'hex'),
    max(s.at) FILTER (WHERE s.kind = 'migration')
FROM dbkit.state AS s
WHERE s.service = %(service)s
