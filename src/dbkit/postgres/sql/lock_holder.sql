-- Who holds an advisory lock of this database, and what the session that executes says that it does.
SELECT
    l.pid,
    a.application_name,
    coalesce(a.client_addr::text, 'local'),
    a.usename,
    extract(EPOCH FROM now() - a.backend_start)::integer,
    (
        SELECT substring(e.application_name FROM '^dbkit/migrate (.+)')
        FROM pg_locks AS k
        INNER JOIN pg_stat_activity AS e ON e.pid = k.pid
        WHERE
            k.locktype = 'advisory' AND k.classid = %(space)s AND k.objid = %(execute)s AND k.objsubid = 2 AND k.granted
            AND k.database = l.database
    )
FROM pg_locks AS l
LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE
    l.locktype = 'advisory' AND l.classid = %(space)s AND l.objid = %(key)s AND l.objsubid = 2 AND l.granted
    AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
