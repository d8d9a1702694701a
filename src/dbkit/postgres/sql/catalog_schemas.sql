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
    ) AS details
FROM pg_namespace AS n
WHERE n.nspname = ANY(%(schemas)s::text[])
UNION ALL
SELECT
    'default privileges',
    n.nspname::text,
    NULL,
    format('%%s %%s', pg_get_userbyid(d.defaclrole), d.defaclobjtype),
    jsonb_build_object('role', pg_get_userbyid(d.defaclrole), 'on', d.defaclobjtype, 'privileges', d.defaclacl::text[])
FROM pg_default_acl AS d
INNER JOIN pg_namespace AS n ON n.oid = d.defaclnamespace
WHERE n.nspname = ANY(%(schemas)s::text[])
