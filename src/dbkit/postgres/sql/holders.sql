-- The sessions that hold dbkit's keys in this database, and what they do.
SELECT
    CASE l.objid WHEN %(run)s THEN 'run' ELSE 'execute' END,
    l.pid,
    coalesce(nullif(a.application_name, ''), 'unknown program'),
    coalesce(a.client_addr::text, 'local'),
    coalesce(a.usename, ''),
    extract(EPOCH FROM now() - a.backend_start)::integer,
    a.state,
    left(regexp_replace(a.query, '\s+', ' ', 'g'), 200)
FROM pg_locks AS l
LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE
    l.locktype = 'advisory' AND l.classid = %(space)s AND l.objid IN (%(run)s, %(execute)s) AND l.objsubid = 2 AND l.granted
    AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
ORDER BY l.objid
