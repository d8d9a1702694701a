-- What a database uses of its server (extensions, collations, tablespaces) and what the server has of that to offer.
SELECT
    (
        SELECT coalesce(jsonb_object_agg(e.extname, n.nspname), '{}'::jsonb)
        FROM pg_extension AS e
        INNER JOIN pg_namespace AS n ON n.oid = e.extnamespace
        WHERE e.extname <> 'plpgsql'
    ) AS extensions,
    (SELECT coalesce(jsonb_agg(DISTINCT a.name), '[]'::jsonb) FROM pg_available_extensions AS a) AS available,
    (
        SELECT coalesce(jsonb_agg(DISTINCT c.collname), '[]'::jsonb)
        FROM pg_collation AS c
        WHERE c.collnamespace = 'pg_catalog'::regnamespace AND c.collencoding IN (-1, pg_char_to_encoding(getdatabaseencoding()))
    ) AS collations,
    (SELECT jsonb_agg(t.spcname) FROM pg_tablespace AS t) AS tablespaces,
    (SELECT s.enumvals @> ARRAY['lz4'] FROM pg_settings AS s WHERE s.name = 'default_toast_compression') AS lz4
