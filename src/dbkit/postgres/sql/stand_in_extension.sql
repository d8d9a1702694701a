-- An extension by its name alone: what it consists of is made afterwards.
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
SELECT
    pg_nextoid('pg_extension', 'oid', 'pg_extension_oid_index'), %(extension)s, 10, quote_ident(%(schema)s)::regnamespace, TRUE, 'stand-in'
RETURNING oid::bigint
