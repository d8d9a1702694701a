-- Whether a backend waits for or holds ACCESS EXCLUSIVE, how many sessions wait behind it, and whom it waits for.
SELECT
    coalesce((
        SELECT bool_or(l.mode = 'AccessExclusiveLock')
        FROM pg_locks AS l
        WHERE l.pid = %(pid)s AND l.locktype = 'relation'
    ), FALSE) AS is_exclusive,
    (
        SELECT count(DISTINCT l.pid)
        FROM pg_locks AS l
        WHERE NOT l.granted AND l.pid <> %(pid)s AND %(pid)s = ANY(pg_blocking_pids(l.pid))
    ) AS victims,
    (
        SELECT string_agg(format(
            'pid %%s (%%s, %%s%%s)',
            b.pid,
            coalesce(nullif(a.application_name, ''), 'unknown program'),
            a.usename,
            coalesce(format(
                ', %%s for %%s s: %%s',
                a.state,
                extract(EPOCH FROM now() - a.xact_start)::integer,
                left(regexp_replace(a.query, '\s+', ' ', 'g'), 80)
            ), '')
        ), '; ' ORDER BY b.pid)
        FROM unnest(pg_blocking_pids(%(pid)s)) AS b (pid)
        LEFT JOIN pg_stat_activity AS a ON a.pid = b.pid
    ) AS blockers
