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
                    || CASE a.aggfinalmodify
                        WHEN CASE a.aggkind WHEN 'n' THEN 'r' ELSE 'w' END::"char" THEN ''
                        WHEN 'r' THEN ', FINALFUNC_MODIFY = READ_ONLY'
                        WHEN 's' THEN ', FINALFUNC_MODIFY = SHAREABLE'
                        ELSE ', FINALFUNC_MODIFY = READ_WRITE'
                    END
                    || CASE WHEN a.aggcombinefn <> 0 THEN format(', COMBINEFUNC = %%s', a.aggcombinefn) ELSE '' END
                    || CASE WHEN a.aggserialfn <> 0 THEN format(', SERIALFUNC = %%s', a.aggserialfn) ELSE '' END
                    || CASE WHEN a.aggdeserialfn <> 0 THEN format(', DESERIALFUNC = %%s', a.aggdeserialfn) ELSE '' END
                    || coalesce(', INITCOND = ' || quote_literal(a.agginitval), '')
                    || CASE WHEN a.aggmtransfn <> 0 THEN format(
                        ', MSFUNC = %%s, MINVFUNC = %%s, MSTYPE = %%s', a.aggmtransfn, a.aggminvtransfn, format_type(a.aggmtranstype, NULL)
                    ) ELSE '' END
                    || CASE WHEN a.aggmtransspace <> 0 THEN format(', MSSPACE = %%s', a.aggmtransspace) ELSE '' END
                    || CASE WHEN a.aggmfinalfn <> 0 THEN format(', MFINALFUNC = %%s', a.aggmfinalfn) ELSE '' END
                    || CASE WHEN a.aggmfinalextra THEN ', MFINALFUNC_EXTRA' ELSE '' END
                    || coalesce(', MINITCOND = ' || quote_literal(a.aggminitval), '')
                    || CASE WHEN a.aggsortop <> 0 THEN (
                        SELECT format(', SORTOP = OPERATOR(%%I.%%s)', n.nspname, o.oprname)
                        FROM pg_operator AS o
                        INNER JOIN pg_namespace AS n ON n.oid = o.oprnamespace
                        WHERE o.oid = a.aggsortop
                    ) ELSE '' END
                    || CASE WHEN a.aggkind = 'h' THEN ', HYPOTHETICAL' ELSE '' END
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
    )) AS details,
    ARRAY['pg_proc'::regclass::bigint, p.oid::bigint, 0] AS address
FROM pg_proc AS p
INNER JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE
    n.nspname = ANY(%(schemas)s::text[])
    AND NOT EXISTS (
        SELECT 1 FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i')
    )
