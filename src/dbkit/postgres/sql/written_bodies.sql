-- Functions that this transaction, or a savepoint of it, wrote with a body as text, and the function that validates it.
SELECT p.oid, p.oid::regprocedure::text, v.oid::regproc::text
FROM pg_proc AS p
INNER JOIN pg_language AS l ON l.oid = p.prolang AND l.lanname IN ('plpgsql', 'sql')
INNER JOIN pg_proc AS v ON v.oid = l.lanvalidator
WHERE age(p.xmin) <= 0 AND p.prosqlbody IS NULL
ORDER BY p.oid
