-- The objects of the CTE `wanted` (classid, objid) as they are now: how DROP names each, the row versions in the catalog,
-- the definition, and what of it reads alike on every major. search_path must be empty.
SELECT
    w.classid,
    w.objid,
    o.object,
    p.proname::text AS name,
    p.xmin::text AS version,
    format(
        E'%%s;\nALTER %%s OWNER TO %%I;\n', rtrim(pg_get_functiondef(p.oid), E'\n'), o.object, pg_get_userbyid(p.proowner)
    ) AS definition,
    jsonb_build_object(
        'owner', pg_get_userbyid(p.proowner),
        'settings', to_jsonb(p.proconfig),
        'source', p.prosrc,
        'volatility', p.provolatile,
        'privileges', (
            SELECT coalesce(jsonb_agg(a.item ORDER BY a.item::text COLLATE "C"), '[]')
            FROM (
                SELECT jsonb_build_array(
                    x.privilege_type, NULL, coalesce(quote_ident(g.rolname), 'PUBLIC'), x.is_grantable
                ) AS item
                FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS x
                LEFT JOIN pg_roles AS g ON g.oid = x.grantee
                WHERE x.grantee <> p.proowner
            ) AS a
        )
    ) AS traits
FROM wanted AS w
INNER JOIN pg_proc AS p ON p.oid = w.objid AND p.prokind <> 'a'
CROSS JOIN LATERAL (
    SELECT CASE p.prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END || p.oid::regprocedure::text AS object
) AS o
WHERE w.classid = 'pg_proc'::regclass
UNION ALL
SELECT
    w.classid,
    w.objid,
    o.object,
    c.relname::text,
    c.xmin || '.' || r.xmin,
    format(
        E'CREATE %%s%%s AS\n%%s\nALTER %%s OWNER TO %%I;\n',
        o.object,
        ' WITH (' || array_to_string(c.reloptions, ', ') || ')',
        pg_get_viewdef(c.oid),
        o.object,
        pg_get_userbyid(c.relowner)
    ),
    jsonb_build_object(
        'owner', pg_get_userbyid(c.relowner),
        'settings', to_jsonb(c.reloptions),
        'privileges', (
            SELECT coalesce(jsonb_agg(a.item ORDER BY a.item::text COLLATE "C"), '[]')
            FROM (
                SELECT jsonb_build_array(
                    x.privilege_type, i.attname, coalesce(quote_ident(g.rolname), 'PUBLIC'), x.is_grantable
                ) AS item
                FROM (
                    SELECT NULL::text AS attname, coalesce(c.relacl, acldefault('r', c.relowner)) AS acl
                    UNION ALL
                    SELECT quote_ident(t.attname), t.attacl
                    FROM pg_attribute AS t
                    WHERE t.attrelid = c.oid AND t.attacl IS NOT NULL AND NOT t.attisdropped
                ) AS i
                CROSS JOIN aclexplode(i.acl) AS x
                LEFT JOIN pg_roles AS g ON g.oid = x.grantee
                WHERE x.grantee <> c.relowner
            ) AS a
        )
    )
FROM wanted AS w
INNER JOIN pg_class AS c ON c.oid = w.objid AND c.relkind IN ('v', 'm')
INNER JOIN pg_rewrite AS r ON r.ev_class = c.oid AND r.rulename = '_RETURN'
CROSS JOIN LATERAL (
    SELECT CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW ' ELSE 'VIEW ' END || c.oid::regclass::text AS object
) AS o
WHERE w.classid = 'pg_class'::regclass
UNION ALL
SELECT
    w.classid,
    w.objid,
    format('TRIGGER %%I ON %%s', t.tgname, t.tgrelid::regclass),
    t.tgname::text,
    t.xmin::text,
    format(
        E'%%s;\nALTER TABLE %%s %%s TRIGGER %%I;\n',
        pg_get_triggerdef(t.oid),
        t.tgrelid::regclass,
        CASE t.tgenabled WHEN 'O' THEN 'ENABLE' WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END,
        t.tgname
    ),
    jsonb_build_object('settings', t.tgenabled, 'source', t.tgfoid::regproc, 'privileges', '[]'::jsonb)
FROM wanted AS w
INNER JOIN pg_trigger AS t ON t.oid = w.objid
WHERE w.classid = 'pg_trigger'::regclass
