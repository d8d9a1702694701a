-- What a run of dbkit in this database is at, which began at `since`: how many sessions it has, whether it holds the run lock,
-- what the session that executes is doing, and whether that of a run before it is still at work.
SELECT
    count(*) FILTER (WHERE a.backend_start >= %(since)s) AS sessions,
    coalesce(bool_or(l.objid = 1) FILTER (WHERE a.backend_start >= %(since)s), FALSE) AS locked,
    coalesce(max(a.state) FILTER (WHERE l.objid = 2 AND a.backend_start >= %(since)s), '') AS state,
    coalesce(max(a.query) FILTER (WHERE l.objid = 2 AND a.backend_start >= %(since)s), '') AS query,
    coalesce(bool_or(l.objid = 2) FILTER (WHERE a.backend_start < %(since)s), FALSE) AS another
FROM pg_stat_activity AS a
LEFT JOIN pg_locks AS l ON l.pid = a.pid AND l.locktype = 'advisory' AND l.classid = 1684171636 AND l.objsubid = 2 AND l.granted
WHERE a.application_name LIKE 'dbkit/%%' AND a.datname = current_database()
