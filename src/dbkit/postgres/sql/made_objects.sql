-- Where the objects are in the catalog that statements make: position, classid, objid; by exact argument types.
SELECT
    m.n,
    f.classid,
    f.objid
FROM jsonb_to_recordset(%(made)s::jsonb) AS m (n integer, kind text, schema text, name text, relation text, types text[])
CROSS JOIN LATERAL (
    SELECT 'pg_proc'::regclass::oid AS classid, p.oid AS objid
    FROM pg_proc AS p
    WHERE
        m.kind = 'function' AND p.proname = m.name AND p.prokind <> 'a'
        AND p.pronamespace = to_regnamespace(coalesce(quote_ident(m.schema), quote_ident(current_schema())))
        AND p.proargtypes::text = coalesce((
            SELECT string_agg(coalesce(to_regtype(t.name)::oid, 0)::text, ' ' ORDER BY t.place)
            FROM unnest(m.types) WITH ORDINALITY AS t (name, place)
        ), '')
    UNION ALL
    SELECT 'pg_class'::regclass::oid, c.oid
    FROM pg_class AS c
    WHERE m.kind = 'view' AND c.oid = to_regclass(concat_ws('.', quote_ident(m.schema), quote_ident(m.name))) AND c.relkind IN ('v', 'm')
    UNION ALL
    SELECT 'pg_trigger'::regclass::oid, t.oid
    FROM pg_trigger AS t
    WHERE
        m.kind = 'trigger' AND t.tgname = m.name
        AND t.tgrelid = to_regclass(concat_ws('.', quote_ident(m.schema), quote_ident(m.relation)))
) AS f
ORDER BY m.n
