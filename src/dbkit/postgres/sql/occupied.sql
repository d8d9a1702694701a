-- What is on a server that a test may not touch: databases, what is in this one, roles that the test would make.
SELECT format('the database %%s', d.datname)
FROM pg_database AS d
WHERE d.datname NOT IN ('postgres', 'template0', 'template1', current_database())
UNION ALL
SELECT format('%%s.%%s', n.nspname, c.relname)
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT format('%%s.%%s()', n.nspname, p.proname)
FROM pg_proc AS p
INNER JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT format('the role %%s', r.rolname)
FROM pg_roles AS r
WHERE r.rolname = ANY(%(roles)s)
