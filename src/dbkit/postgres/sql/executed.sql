-- How often each function was called, and each of its statements ran; the profiler is plpgsql_check's.
-- A CASE, an IF or a block with handlers has its branches as children; what nobody wrote is on line 0, or not there.
SELECT
    f.oid,
    s.stmtid,
    s.parent_stmtid,
    coalesce(s.parent_note, ''),
    s.block_num,
    s.lineno,
    s.stmtname,
    s.exec_stmts
FROM unnest(%(functions)s::oid[]) AS f (oid)
INNER JOIN pg_proc AS p ON f.oid = p.oid
INNER JOIN pg_language AS l ON p.prolang = l.oid AND l.lanname = 'plpgsql'
CROSS JOIN LATERAL plpgsql_profiler_function_statements_tb(p.oid) AS s
UNION ALL
SELECT
    f.oid,
    0,
    NULL,
    '',
    1,
    0,
    'statement block',
    coalesce(u.calls, 0)
FROM unnest(%(functions)s::oid[]) AS f (oid)
INNER JOIN pg_proc AS p ON f.oid = p.oid
INNER JOIN pg_language AS l ON p.prolang = l.oid AND l.lanname = 'sql'
LEFT JOIN pg_stat_user_functions AS u ON f.oid = u.funcid
ORDER BY 1, 2
