-- Functions, procedures, aggregates.
SELECT
    CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END AS kind,
    n.nspname::text AS schema,
    NULL::text AS relation,
    format('%%I(%%s)', p.proname, pg_get_function_identity_arguments(p.oid)) AS name,
    jsonb_strip_nulls(jsonb_build_object(
        'definition', CASE
            WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid)
            ELSE (
                SELECT format('SFUNC = %%s, STYPE = %%s', a.aggtransfn, format_type(a.aggtranstype, NULL))
                    || CASE WHEN a.aggtransspace <> 0 THEN format(', SSPACE = %%s', a.aggtransspace) ELSE '' END
                    || CASE WHEN a.aggfinalfn <> 0 THEN format(', FINALFUNC = %%s', a.aggfinalfn) ELSE '' END
                    || CASE WHEN a.aggfinalextra THEN ', FINALFUNC_EXTRA' ELSE '' END
                    || CASE WHEN a.aggcombinefn <> 0 THEN format(', COMBINEFUNC = %%s', a.aggcombinefn) ELSE '' END
                    || CASE WHEN a.aggserialfn <> 0 THEN format(', SERIALFUNC = %%s', a.aggserialfn) ELSE '' END
                    || CASE WHEN a.aggdeserialfn <> 0 THEN format(', DESERIALFUNC = %%s', a.aggdeserialfn) ELSE '' END
                    || coalesce(format(', INITCOND = %%L', a.agginitval), '')
                    || CASE p.proparallel WHEN 's' THEN ', PARALLEL = SAFE' WHEN 'r' THEN ', PARALLEL = RESTRICTED' ELSE '' END
                FROM pg_aggregate AS a
                WHERE a.aggfnoid = p.oid
            )
        END,
        'result', pg_get_function_result(p.oid),
        'arguments', pg_get_function_arguments(p.oid),
        'owner', pg_get_userbyid(p.proowner),
        'comment', obj_description(p.oid, 'pg_proc'),
        'privileges', coalesce(p.proacl, acldefault('f', p.proowner))::text[]
    )) AS details
FROM pg_proc AS p
INNER JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE
    n.nspname = ANY(%(schemas)s::text[])
    AND NOT EXISTS (
        SELECT 1 FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i')
    )
