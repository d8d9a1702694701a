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
        (
            SELECT max(current_database())
            FROM dbkit.definition AS d
            LEFT JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
            LEFT JOIN pg_trigger AS t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
            LEFT JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
            LEFT JOIN pg_rewrite AS r ON r.ev_class = c.oid AND r.rulename = '_RETURN'
            WHERE
                d.service = %(service)s AND d.objid IS NOT NULL
                AND (
                    d.is_adopted
                    OR d.major <> current_setting('server_version_num')::integer / 10000
                    OR d.version IS DISTINCT FROM coalesce(p.xmin::text, t.xmin::text, c.xmin || '.' || r.xmin)
                )
        )
    ), 'UTF8')), 'hex'),
    max(s.at) FILTER (WHERE s.kind = 'migration')
FROM dbkit.state AS s
WHERE s.service = %(service)s
