-- Of what there is nothing in the schemas, by the file that would read it. What is in doubt is there.
WITH wanted AS MATERIALIZED (
    SELECT n.oid FROM pg_namespace AS n WHERE n.nspname = ANY(%(schemas)s::text[])
)

SELECT p.part
FROM (VALUES
    (
        'bound',
        EXISTS (SELECT 1 FROM pg_class AS c WHERE c.relnamespace = ANY(ARRAY(TABLE wanted)) AND (c.relhastriggers OR c.relhasrules))
        OR EXISTS (SELECT 1 FROM pg_policy)
    ),
    (
        'functions',
        EXISTS (SELECT 1 FROM pg_proc AS p WHERE p.pronamespace = ANY(ARRAY(TABLE wanted)))
    ),
    (
        'types',
        EXISTS (
            SELECT 1
            FROM pg_type AS t
            LEFT JOIN pg_class AS c ON c.oid = t.typrelid
            WHERE t.typnamespace = ANY(ARRAY(TABLE wanted)) AND (t.typtype <> ALL('{b,c,m}') OR c.relkind = 'c')
        )
    ),
    (
        'others',
        EXISTS (SELECT 1 FROM pg_extension AS e WHERE e.extnamespace = ANY(ARRAY(TABLE wanted)))
        OR EXISTS (SELECT 1 FROM pg_event_trigger)
        OR EXISTS (SELECT 1 FROM pg_publication)
        OR EXISTS (SELECT 1 FROM pg_operator AS o WHERE o.oprnamespace = ANY(ARRAY(TABLE wanted)))
        OR EXISTS (SELECT 1 FROM pg_cast AS k WHERE k.oid >= 16384)
    ),
    (
        'search',
        EXISTS (SELECT 1 FROM pg_ts_config AS c WHERE c.cfgnamespace = ANY(ARRAY(TABLE wanted)))
        OR EXISTS (SELECT 1 FROM pg_ts_dict AS d WHERE d.dictnamespace = ANY(ARRAY(TABLE wanted)))
        OR EXISTS (SELECT 1 FROM pg_collation AS c WHERE c.collnamespace = ANY(ARRAY(TABLE wanted)))
        OR EXISTS (SELECT 1 FROM pg_conversion AS c WHERE c.connamespace = ANY(ARRAY(TABLE wanted)))
        OR EXISTS (SELECT 1 FROM pg_foreign_server)
        OR EXISTS (SELECT 1 FROM pg_opfamily AS f WHERE f.opfnamespace = ANY(ARRAY(TABLE wanted)))
        OR EXISTS (SELECT 1 FROM pg_opclass AS c WHERE c.opcnamespace = ANY(ARRAY(TABLE wanted)))
    )
) AS p (part, is_present)
WHERE NOT p.is_present
