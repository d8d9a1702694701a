-- Schemas, and the privileges that new objects get in them.
SELECT
    'schema' AS kind,
    n.nspname::text AS schema,
    NULL::text AS relation,
    n.nspname::text AS name,
    jsonb_build_object(
        'owner', pg_get_userbyid(n.nspowner),
        'comment', obj_description(n.oid, 'pg_namespace'),
        'privileges', coalesce(n.nspacl, acldefault('n', n.nspowner))::text[]
    ) AS details,
    ARRAY['pg_namespace'::regclass::bigint, n.oid::bigint, 0] AS address
FROM pg_namespace AS n
WHERE n.nspname = ANY(%(schemas)s::text[])
UNION ALL
SELECT
    'default privileges',
    n.nspname::text,
    NULL,
    format('%%s %%s', pg_get_userbyid(d.defaclrole), d.defaclobjtype),
    jsonb_build_object('role', pg_get_userbyid(d.defaclrole), 'on', d.defaclobjtype, 'privileges', d.defaclacl::text[]),
    ARRAY['pg_default_acl'::regclass::bigint, d.oid::bigint, 0]
FROM pg_default_acl AS d
INNER JOIN pg_namespace AS n ON n.oid = d.defaclnamespace
WHERE n.nspname = ANY(%(schemas)s::text[])
UNION ALL
-- and what the schemas' owners give everywhere
SELECT
    'default privileges',
    '',
    NULL,
    format('%%s %%s', pg_get_userbyid(d.defaclrole), d.defaclobjtype),
    jsonb_build_object('role', pg_get_userbyid(d.defaclrole), 'on', d.defaclobjtype, 'privileges', d.defaclacl::text[]),
    ARRAY['pg_default_acl'::regclass::bigint, d.oid::bigint, 0]
FROM pg_default_acl AS d
WHERE d.defaclnamespace = 0 AND d.defaclrole IN (SELECT n.nspowner FROM pg_namespace AS n WHERE n.nspname = ANY(%(schemas)s::text[]))
