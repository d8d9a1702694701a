-- Text search configurations and dictionaries, collations, conversions, foreign servers, operator classes and their families.
SELECT
    'text search configuration' AS kind,
    n.nspname::text AS schema,
    NULL::text AS relation,
    c.cfgname::text AS name,
    jsonb_strip_nulls(jsonb_build_object(
        'definition', (
            SELECT format('PARSER = %%I.%%I', pn.nspname, p.prsname)
            FROM pg_ts_parser AS p
            INNER JOIN pg_namespace AS pn ON pn.oid = p.prsnamespace
            WHERE p.oid = c.cfgparser
        ),
        'mappings', (
            SELECT jsonb_object_agg(m.alias, m.dictionaries)
            FROM (
                SELECT t.alias, string_agg(k.mapdict::regdictionary::text, ', ' ORDER BY k.mapseqno) AS dictionaries
                FROM pg_ts_config_map AS k
                INNER JOIN LATERAL ts_token_type(c.cfgparser) AS t ON t.tokid = k.maptokentype
                WHERE k.mapcfg = c.oid
                GROUP BY t.alias
            ) AS m
        ),
        'owner', pg_get_userbyid(c.cfgowner),
        'comment', obj_description(c.oid, 'pg_ts_config')
    )) AS details,
    ARRAY['pg_ts_config'::regclass::bigint, c.oid::bigint, 0] AS address
FROM pg_ts_config AS c
INNER JOIN pg_namespace AS n ON n.oid = c.cfgnamespace
WHERE
    n.nspname = ANY(%(schemas)s::text[])
    AND NOT EXISTS (
        SELECT 1 FROM pg_depend AS d WHERE d.classid = 'pg_ts_config'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    )
UNION ALL
SELECT
    'text search dictionary',
    n.nspname::text,
    NULL,
    d.dictname::text,
    jsonb_strip_nulls(jsonb_build_object(
        'definition', concat_ws(', ', format('TEMPLATE = %%I.%%I', tn.nspname, t.tmplname), nullif(d.dictinitoption, '')),
        'owner', pg_get_userbyid(d.dictowner),
        'comment', obj_description(d.oid, 'pg_ts_dict')
    )),
    ARRAY['pg_ts_dict'::regclass::bigint, d.oid::bigint, 0]
FROM pg_ts_dict AS d
INNER JOIN pg_namespace AS n ON n.oid = d.dictnamespace
INNER JOIN pg_ts_template AS t ON t.oid = d.dicttemplate
INNER JOIN pg_namespace AS tn ON tn.oid = t.tmplnamespace
WHERE
    n.nspname = ANY(%(schemas)s::text[])
    AND NOT EXISTS (SELECT 1 FROM pg_depend AS e WHERE e.classid = 'pg_ts_dict'::regclass AND e.objid = d.oid AND e.deptype = 'e')
UNION ALL
SELECT
    'collation',
    n.nspname::text,
    NULL,
    c.collname::text,
    jsonb_strip_nulls(jsonb_build_object(
        'definition', concat_ws(
            ', ',
            format(
                'PROVIDER = %%s',
                CASE c.collprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END
            ),
            -- the column of the locale has another name before 17
            'LOCALE = ' || quote_literal(coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale')),
            'LC_COLLATE = ' || quote_literal(c.collcollate),
            'LC_CTYPE = ' || quote_literal(c.collctype),
            'RULES = ' || quote_literal(to_jsonb(c) ->> 'collicurules'),
            CASE WHEN NOT c.collisdeterministic THEN 'DETERMINISTIC = false' END
        ),
        'owner', pg_get_userbyid(c.collowner),
        'comment', obj_description(c.oid, 'pg_collation')
    )),
    ARRAY['pg_collation'::regclass::bigint, c.oid::bigint, 0]
FROM pg_collation AS c
INNER JOIN pg_namespace AS n ON n.oid = c.collnamespace
WHERE
    n.nspname = ANY(%(schemas)s::text[])
    AND NOT EXISTS (SELECT 1 FROM pg_depend AS d WHERE d.classid = 'pg_collation'::regclass AND d.objid = c.oid AND d.deptype = 'e')
UNION ALL
SELECT
    'conversion',
    n.nspname::text,
    NULL,
    c.conname::text,
    jsonb_strip_nulls(jsonb_build_object(
        'definition', format(
            'FOR %%L TO %%L FROM %%s', pg_encoding_to_char(c.conforencoding), pg_encoding_to_char(c.contoencoding), c.conproc::regproc
        ),
        'by_default', nullif(c.condefault, FALSE),
        'owner', pg_get_userbyid(c.conowner),
        'comment', obj_description(c.oid, 'pg_conversion')
    )),
    ARRAY['pg_conversion'::regclass::bigint, c.oid::bigint, 0]
FROM pg_conversion AS c
INNER JOIN pg_namespace AS n ON n.oid = c.connamespace
WHERE
    n.nspname = ANY(%(schemas)s::text[])
    AND NOT EXISTS (SELECT 1 FROM pg_depend AS d WHERE d.classid = 'pg_conversion'::regclass AND d.objid = c.oid AND d.deptype = 'e')
UNION ALL
SELECT
    'server',
    '',
    NULL,
    s.srvname::text,
    jsonb_strip_nulls(jsonb_build_object(
        'definition', concat_ws(
            ' ', 'TYPE ' || quote_literal(s.srvtype), 'VERSION ' || quote_literal(s.srvversion), format('FOREIGN DATA WRAPPER %%I', w.fdwname)
        ),
        'foreign_options', (SELECT array_agg(o ORDER BY o COLLATE "C") FROM unnest(s.srvoptions) AS o),
        'owner', pg_get_userbyid(s.srvowner),
        'privileges', coalesce(s.srvacl, acldefault('S', s.srvowner))::text[],
        'comment', obj_description(s.oid, 'pg_foreign_server')
    )),
    ARRAY['pg_foreign_server'::regclass::bigint, s.oid::bigint, 0]
FROM pg_foreign_server AS s
INNER JOIN pg_foreign_data_wrapper AS w ON w.oid = s.srvfdw
WHERE
    EXISTS (
        SELECT 1
        FROM pg_foreign_table AS f
        INNER JOIN pg_class AS c ON c.oid = f.ftrelid
        INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE f.ftserver = s.oid AND n.nspname = ANY(%(schemas)s::text[])
    )
    OR s.srvowner IN (SELECT n.nspowner FROM pg_namespace AS n WHERE n.nspname = ANY(%(schemas)s::text[]))
UNION ALL
SELECT
    'operator family',
    n.nspname::text,
    NULL,
    format('%%I USING %%I', f.opfname, a.amname),
    jsonb_strip_nulls(jsonb_build_object(
        'owner', pg_get_userbyid(f.opfowner),
        'comment', obj_description(f.oid, 'pg_opfamily')
    )),
    ARRAY['pg_opfamily'::regclass::bigint, f.oid::bigint, 0]
FROM pg_opfamily AS f
INNER JOIN pg_namespace AS n ON n.oid = f.opfnamespace
INNER JOIN pg_am AS a ON a.oid = f.opfmethod
WHERE
    n.nspname = ANY(%(schemas)s::text[])
    AND NOT EXISTS (SELECT 1 FROM pg_depend AS d WHERE d.classid = 'pg_opfamily'::regclass AND d.objid = f.oid AND d.deptype = 'e')
UNION ALL
SELECT
    'operator class',
    n.nspname::text,
    NULL,
    format('%%I USING %%I', c.opcname, a.amname),
    jsonb_strip_nulls(jsonb_build_object(
        'definition', concat_ws(
            E'\n    ',
            CASE WHEN c.opcdefault THEN 'DEFAULT' END,
            format(
                'FOR TYPE %%s USING %%I FAMILY %%I.%%I AS STORAGE %%s',
                format_type(c.opcintype, NULL), a.amname, fn.nspname, f.opfname, format_type(coalesce(nullif(c.opckeytype, 0), c.opcintype), NULL)
            ),
            (
                SELECT string_agg(format(', OPERATOR %%s %%s', o.amopstrategy, o.amopopr::regoperator), E'\n    ' ORDER BY o.amopstrategy)
                FROM pg_amop AS o
                WHERE o.amopfamily = f.oid AND o.amoplefttype = c.opcintype AND o.amoprighttype = c.opcintype
            ),
            (
                SELECT string_agg(format(', FUNCTION %%s %%s', p.amprocnum, p.amproc::regprocedure), E'\n    ' ORDER BY p.amprocnum)
                FROM pg_amproc AS p
                WHERE p.amprocfamily = f.oid AND p.amproclefttype = c.opcintype AND p.amprocrighttype = c.opcintype
            )
        ),
        'owner', pg_get_userbyid(c.opcowner),
        'comment', obj_description(c.oid, 'pg_opclass')
    )),
    ARRAY['pg_opclass'::regclass::bigint, c.oid::bigint, 0]
FROM pg_opclass AS c
INNER JOIN pg_namespace AS n ON n.oid = c.opcnamespace
INNER JOIN pg_am AS a ON a.oid = c.opcmethod
INNER JOIN pg_opfamily AS f ON f.oid = c.opcfamily
INNER JOIN pg_namespace AS fn ON fn.oid = f.opfnamespace
WHERE
    n.nspname = ANY(%(schemas)s::text[])
    AND NOT EXISTS (SELECT 1 FROM pg_depend AS d WHERE d.classid = 'pg_opclass'::regclass AND d.objid = c.oid AND d.deptype = 'e')
