-- Who holds an advisory lock of this database: its two keys.
SELECT l.pid, a.application_name, coalesce(a.client_addr::text, 'local'), a.usename,
    extract(EPOCH FROM now() - a.backend_start)::integer
FROM pg_locks AS l
LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.classid = %s AND l.objid = %s AND l.objsubid = 2 AND l.granted
    AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
