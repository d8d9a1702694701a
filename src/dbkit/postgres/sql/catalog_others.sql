-- Extensions, event triggers, publications, operators and casts that belong to the schemas.
SELECT
    'extension' AS kind,
    n.nspname::text AS schema,
    NULL::text AS relation,
    e.extname::text AS name,
    jsonb_strip_nulls(jsonb_build_object('comment', obj_description(e.oid, 'pg_extension'))) AS details,
    ARRAY['pg_extension'::regclass::bigint, e.oid::bigint, 0] AS address
FROM pg_extension AS e
INNER JOIN pg_namespace AS n ON n.oid = e.extnamespace
WHERE n.nspname = ANY(%(schemas)s::text[])
UNION ALL
SELECT
    'event trigger',
    n.nspname::text,
    NULL,
    t.evtname::text,
    jsonb_strip_nulls(jsonb_build_object(
        'definition', format(
            'ON %%s%%s EXECUTE FUNCTION %%s()',
            t.evtevent,
            (
                SELECT format(' WHEN TAG IN (%%s)', string_agg(quote_literal(g), ', ' ORDER BY g COLLATE "C"))
                FROM unnest(t.evttags) AS g
                HAVING count(*) > 0
            ),
            t.evtfoid::regproc
        ),
        'enabled', CASE t.evtenabled
            WHEN 'O' THEN 'ENABLE'
            WHEN 'D' THEN 'DISABLE'
            WHEN 'R' THEN 'ENABLE REPLICA'
            ELSE 'ENABLE ALWAYS'
        END,
        'owner', pg_get_userbyid(t.evtowner),
        'comment', obj_description(t.oid, 'pg_event_trigger')
    )),
    ARRAY['pg_event_trigger'::regclass::bigint, t.oid::bigint, 0]
FROM pg_event_trigger AS t
INNER JOIN pg_proc AS p ON p.oid = t.evtfoid
INNER JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = ANY(%(schemas)s::text[])
UNION ALL
SELECT
    'publication',
    own.schema,
    NULL,
    p.pubname::text,
    jsonb_strip_nulls(jsonb_build_object(
        'tables', own.tables,
        'publish', concat_ws(
            ', ',
            CASE WHEN p.pubinsert THEN 'insert' END,
            CASE WHEN p.pubupdate THEN 'update' END,
            CASE WHEN p.pubdelete THEN 'delete' END,
            CASE WHEN p.pubtruncate THEN 'truncate' END
        ),
        'via_root', p.pubviaroot,
        'owner', pg_get_userbyid(p.pubowner),
        'comment', obj_description(p.oid, 'pg_publication')
    )),
    ARRAY['pg_publication'::regclass::bigint, p.oid::bigint, 0]
FROM pg_publication AS p
INNER JOIN LATERAL (
    SELECT
        min(part.schema) AS schema,
        array_agg(part.shown ORDER BY part.shown COLLATE "C") AS tables
    FROM (
        SELECT
            n.nspname::text AS schema,
            r.prrelid::regclass::text
            || coalesce((
                SELECT format(' (%%s)', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum))
                FROM pg_attribute AS a
                WHERE a.attrelid = r.prrelid AND a.attnum = ANY(r.prattrs)
                HAVING count(*) > 0
            ), '')
            || coalesce(format(' WHERE (%%s)', pg_get_expr(r.prqual, r.prrelid)), '') AS shown
        FROM pg_publication_rel AS r
        INNER JOIN pg_class AS c ON c.oid = r.prrelid
        INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE r.prpubid = p.oid
        UNION ALL
        SELECT n.nspname::text, format('TABLES IN SCHEMA %%I', n.nspname)
        FROM pg_publication_namespace AS r
        INNER JOIN pg_namespace AS n ON n.oid = r.pnnspid
        WHERE r.pnpubid = p.oid
    ) AS part
    WHERE part.schema = ANY(%(schemas)s::text[])
) AS own ON own.schema IS NOT NULL
UNION ALL
SELECT
    'operator',
    n.nspname::text,
    NULL,
    format('%%s(%%s, %%s)', o.oprname, coalesce(nullif(o.oprleft, 0)::regtype::text, 'NONE'), o.oprright::regtype),
    jsonb_strip_nulls(jsonb_build_object(
        'definition', concat_ws(
            ', ',
            format('FUNCTION = %%s', o.oprcode),
            format('LEFTARG = %%s', nullif(o.oprleft, 0)::regtype),
            format('RIGHTARG = %%s', o.oprright::regtype),
            CASE WHEN o.oprrest <> 0 THEN format('RESTRICT = %%s', o.oprrest) END,
            CASE WHEN o.oprjoin <> 0 THEN format('JOIN = %%s', o.oprjoin) END,
            CASE WHEN o.oprcanhash THEN 'HASHES' END,
            CASE WHEN o.oprcanmerge THEN 'MERGES' END
        ),
        'owner', pg_get_userbyid(o.oprowner),
        'comment', obj_description(o.oid, 'pg_operator')
    )),
    ARRAY['pg_operator'::regclass::bigint, o.oid::bigint, 0]
FROM pg_operator AS o
INNER JOIN pg_namespace AS n ON n.oid = o.oprnamespace
WHERE
    n.nspname = ANY(%(schemas)s::text[])
    AND o.oprcode <> 0
    AND NOT EXISTS (
        SELECT 1 FROM pg_depend AS d WHERE d.classid = 'pg_operator'::regclass AND d.objid = o.oid AND d.deptype = 'e'
    )
UNION ALL
SELECT
    'cast',
    n.nspname::text,
    NULL,
    format('(%%s AS %%s)', format_type(k.castsource, NULL), format_type(k.casttarget, NULL)),
    jsonb_strip_nulls(jsonb_build_object(
        'definition', CASE k.castmethod
            WHEN 'f' THEN format('WITH FUNCTION %%s', k.castfunc::regprocedure)
            WHEN 'i' THEN 'WITH INOUT'
            ELSE 'WITHOUT FUNCTION'
        END || CASE k.castcontext WHEN 'a' THEN ' AS ASSIGNMENT' WHEN 'i' THEN ' AS IMPLICIT' ELSE '' END,
        'comment', obj_description(k.oid, 'pg_cast')
    )),
    ARRAY['pg_cast'::regclass::bigint, k.oid::bigint, 0]
FROM pg_cast AS k
INNER JOIN pg_type AS s ON s.oid = k.castsource
INNER JOIN pg_type AS t ON t.oid = k.casttarget
INNER JOIN pg_namespace AS n ON n.oid = CASE WHEN k.castsource >= 16384 THEN s.typnamespace ELSE t.typnamespace END
WHERE
    n.nspname = ANY(%(schemas)s::text[])
    AND k.oid >= 16384
    AND NOT EXISTS (SELECT 1 FROM pg_depend AS d WHERE d.classid = 'pg_cast'::regclass AND d.objid = k.oid AND d.deptype IN ('e', 'i'))
