-- What of a service's routines may be changed by hand: objects whose row versions in the catalog are not those that dbkit
-- left, or all where the server's major is another; and those that were adopted.
SELECT d.object
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
