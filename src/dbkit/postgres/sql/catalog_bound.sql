-- What belongs to a relation and acts on its rows: triggers, policies, rules.
SELECT
    'trigger' AS kind,
    n.nspname::text AS schema,
    c.relname::text AS relation,
    t.tgname::text AS name,
    jsonb_strip_nulls(jsonb_build_object(
        'definition', replace(pg_get_triggerdef(t.oid), format(' ON %%s ', c.oid::regclass), ' ON {relation} '),
        'enabled', CASE t.tgenabled
            WHEN 'O' THEN 'ENABLE'
            WHEN 'D' THEN 'DISABLE'
            WHEN 'R' THEN 'ENABLE REPLICA'
            ELSE 'ENABLE ALWAYS'
        END,
        'comment', obj_description(t.oid, 'pg_trigger')
    )) AS details,
    ARRAY['pg_trigger'::regclass::bigint, t.oid::bigint, 0] AS address
FROM pg_trigger AS t
INNER JOIN pg_class AS c ON c.oid = t.tgrelid
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE
    n.nspname = ANY(%(schemas)s::text[])
    AND NOT t.tgisinternal
    AND c.relname <> ALL(%(invisible)s::text[])
UNION ALL
SELECT
    'policy',
    n.nspname::text,
    c.relname::text,
    p.polname::text,
    jsonb_strip_nulls(jsonb_build_object(
        'definition', format(
            'AS %%s FOR %%s TO %%s%%s%%s',
            CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
            CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
            (
                SELECT string_agg(
                    CASE r.o WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r.o)) END,
                    ', ' ORDER BY pg_get_userbyid(r.o) COLLATE "C"
                )
                FROM unnest(p.polroles) AS r (o)
            ),
            ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
            ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'
        ),
        'comment', obj_description(p.oid, 'pg_policy')
    )),
    ARRAY['pg_policy'::regclass::bigint, p.oid::bigint, 0]
FROM pg_policy AS p
INNER JOIN pg_class AS c ON c.oid = p.polrelid
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%(schemas)s::text[])
UNION ALL
SELECT
    'rule',
    n.nspname::text,
    c.relname::text,
    r.rulename::text,
    jsonb_strip_nulls(jsonb_build_object(
        'definition', pg_get_ruledef(r.oid),
        'enabled', CASE r.ev_enabled
            WHEN 'O' THEN 'ENABLE'
            WHEN 'D' THEN 'DISABLE'
            WHEN 'R' THEN 'ENABLE REPLICA'
            ELSE 'ENABLE ALWAYS'
        END,
        'comment', obj_description(r.oid, 'pg_rewrite')
    )),
    ARRAY['pg_rewrite'::regclass::bigint, r.oid::bigint, 0]
FROM pg_rewrite AS r
INNER JOIN pg_class AS c ON c.oid = r.ev_class
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%(schemas)s::text[]) AND r.rulename <> '_RETURN'
