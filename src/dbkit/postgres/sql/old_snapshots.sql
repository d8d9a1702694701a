-- Transactions of this database that CREATE INDEX CONCURRENTLY would wait for, the oldest first. How old one is, only
-- the superuser and members of pg_read_all_stats see of others' sessions.
SELECT
    a.pid,
    coalesce(nullif(a.application_name, ''), 'unknown program') AS application,
    a.usename,
    extract(EPOCH FROM now() - a.xact_start)::integer AS seconds
FROM pg_stat_activity AS a
INNER JOIN pg_locks AS l ON l.pid = a.pid AND l.locktype = 'virtualxid' AND l.granted
WHERE
    a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
    AND coalesce(a.xact_start < now() - interval '1 second' AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL), TRUE)
UNION ALL
SELECT
    0,
    'prepared transaction ' || p.gid,
    p.owner,
    extract(EPOCH FROM now() - p.prepared)::integer
FROM pg_prepared_xacts AS p
WHERE p.database = current_database()
ORDER BY seconds DESC
