-- Which of the relations (schema.name) are there.
SELECT format('%%s.%%s', n.nspname, c.relname)
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE format('%%s.%%s', n.nspname, c.relname) = ANY(%s)
