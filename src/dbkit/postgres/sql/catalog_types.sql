-- Enums, domains, composites and ranges.
SELECT
    CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range' ELSE 'composite' END AS kind,
    n.nspname::text AS schema,
    NULL::text AS relation,
    t.typname::text AS name,
    jsonb_strip_nulls(jsonb_build_object(
        'owner', pg_get_userbyid(t.typowner),
        'comment', obj_description(t.oid, 'pg_type'),
        'privileges', coalesce(t.typacl, acldefault('T', t.typowner))::text[],
        'labels', CASE t.typtype WHEN 'e' THEN (
            SELECT array_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum AS e WHERE e.enumtypid = t.oid
        ) END,
        'type', CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
        'collation', CASE WHEN t.typtype = 'd' AND t.typcollation <> b.typcollation THEN t.typcollation::regcollation::text END,
        'not_null', CASE t.typtype WHEN 'd' THEN t.typnotnull END,
        'default', CASE t.typtype WHEN 'd' THEN t.typdefault END,
        'checks', CASE t.typtype WHEN 'd' THEN (
            SELECT jsonb_object_agg(k.conname, pg_get_constraintdef(k.oid))
            FROM pg_constraint AS k
            WHERE k.contypid = t.oid AND k.contype = 'c'
        ) END,
        'attributes', CASE t.typtype WHEN 'c' THEN (
            SELECT array_agg(
                format('%%I %%s', a.attname, format_type(a.atttypid, a.atttypmod))
                || CASE WHEN a.attcollation <> at.typcollation THEN format(' COLLATE %%s', a.attcollation::regcollation) ELSE '' END
                ORDER BY a.attnum
            )
            FROM pg_attribute AS a
            INNER JOIN pg_type AS at ON at.oid = a.atttypid
            WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        ) END,
        'comments_within', CASE t.typtype
            WHEN 'c' THEN (
                SELECT jsonb_object_agg(a.attname, col_description(t.typrelid, a.attnum))
                FROM pg_attribute AS a
                WHERE a.attrelid = t.typrelid AND col_description(t.typrelid, a.attnum) IS NOT NULL
            )
            WHEN 'd' THEN (
                SELECT jsonb_object_agg(k.conname, obj_description(k.oid, 'pg_constraint'))
                FROM pg_constraint AS k
                WHERE k.contypid = t.oid AND k.contype = 'c' AND obj_description(k.oid, 'pg_constraint') IS NOT NULL
            )
        END,
        'definition', CASE t.typtype WHEN 'r' THEN (
            SELECT format('SUBTYPE = %%s', format_type(r.rngsubtype, NULL))
                || CASE WHEN r.rngcollation <> s.typcollation THEN format(', COLLATION = %%s', r.rngcollation::regcollation) ELSE '' END
                || CASE WHEN r.rngcanonical <> 0 THEN format(', CANONICAL = %%s', r.rngcanonical) ELSE '' END
                || CASE WHEN r.rngsubdiff <> 0 THEN format(', SUBTYPE_DIFF = %%s', r.rngsubdiff) ELSE '' END
                || format(', MULTIRANGE_TYPE_NAME = %%s', format_type(r.rngmultitypid, NULL))
            FROM pg_range AS r
            INNER JOIN pg_type AS s ON s.oid = r.rngsubtype
            WHERE r.rngtypid = t.oid
        ) END
    )) AS details,
    ARRAY['pg_type'::regclass::bigint, t.oid::bigint, 0] AS address
FROM pg_type AS t
INNER JOIN pg_namespace AS n ON n.oid = t.typnamespace
LEFT JOIN pg_type AS b ON b.oid = t.typbasetype
LEFT JOIN pg_class AS c ON c.oid = t.typrelid
WHERE
    n.nspname = ANY(%(schemas)s::text[])
    AND (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c'))
    AND NOT EXISTS (
        SELECT 1 FROM pg_depend AS d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
    )
