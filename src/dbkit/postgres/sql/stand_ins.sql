-- Statements that make stand-ins for what an extension has: types, casts and operators that carry no data, functions that do nothing.
WITH member AS (
    SELECT d.classid, d.objid
    FROM pg_depend AS d
    INNER JOIN pg_extension AS e ON e.oid = d.refobjid
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = %(extension)s
),

statement (place, oid, text) AS (
    SELECT
        1,
        t.oid,
        format(
            'CREATE TYPE %%1$s; CREATE FUNCTION %%2$s(cstring) RETURNS %%1$s LANGUAGE internal IMMUTABLE STRICT AS ''textin'';'
            ' CREATE FUNCTION %%3$s(%%1$s) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS ''textout'';'
            ' CREATE TYPE %%1$s (INPUT = %%2$s, OUTPUT = %%3$s, STORAGE = extended, COLLATABLE = %%4$s, CATEGORY = %%5$L)',
            t.oid::regtype, t.typinput, t.typoutput, CASE WHEN t.typcollation <> 0 THEN 'true' ELSE 'false' END, t.typcategory
        )
    FROM member AS m
    INNER JOIN pg_type AS t ON t.oid = m.objid
    WHERE m.classid = 'pg_type'::regclass AND t.typtype = 'b' AND t.typcategory <> 'A' AND t.typlen = -1
    UNION ALL
    SELECT 2, t.oid, format('CREATE DOMAIN %%s AS %%s', t.oid::regtype, format_type(t.typbasetype, t.typtypmod))
    FROM member AS m
    INNER JOIN pg_type AS t ON t.oid = m.objid
    WHERE m.classid = 'pg_type'::regclass AND t.typtype = 'd'
    UNION ALL
    SELECT 2, t.oid, format('CREATE TYPE %%s AS ENUM (%%s)', t.oid::regtype, string_agg(quote_literal(l.enumlabel), ', ' ORDER BY l.enumsortorder))
    FROM member AS m
    INNER JOIN pg_type AS t ON t.oid = m.objid
    INNER JOIN pg_enum AS l ON l.enumtypid = t.oid
    WHERE m.classid = 'pg_type'::regclass
    GROUP BY t.oid
    UNION ALL
    SELECT
        3,
        p.oid,
        format(
            'CREATE FUNCTION %%I.%%I(%%s) RETURNS %%s LANGUAGE plpgsql %%s%%s AS ''BEGIN RETURN%%s; END''',
            n.nspname, p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
            CASE p.provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' ELSE 'VOLATILE' END,
            CASE WHEN p.proisstrict THEN ' STRICT' ELSE '' END,
            CASE WHEN p.proretset OR p.prorettype = 'void'::regtype OR p.proargmodes IS NOT NULL THEN '' ELSE ' NULL' END
        )
    FROM member AS m
    INNER JOIN pg_proc AS p ON p.oid = m.objid
    INNER JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE m.classid = 'pg_proc'::regclass AND p.prokind = 'f'
    UNION ALL
    SELECT
        4,
        k.oid,
        format(
            'CREATE CAST (%%s AS %%s) %%s%%s', k.castsource::regtype, k.casttarget::regtype,
            CASE k.castmethod WHEN 'b' THEN 'WITHOUT FUNCTION' WHEN 'i' THEN 'WITH INOUT' ELSE format('WITH FUNCTION %%s', k.castfunc::regprocedure) END,
            CASE k.castcontext WHEN 'a' THEN ' AS ASSIGNMENT' WHEN 'i' THEN ' AS IMPLICIT' ELSE '' END
        )
    FROM member AS m
    INNER JOIN pg_cast AS k ON k.oid = m.objid
    WHERE m.classid = 'pg_cast'::regclass
    UNION ALL
    SELECT
        5,
        o.oid,
        format(
            'CREATE OPERATOR %%I.%%s (%%s)', n.nspname, o.oprname,
            concat_ws(
                ', ', format('FUNCTION = %%s', o.oprcode), 'LEFTARG = ' || nullif(o.oprleft, 0)::regtype, format('RIGHTARG = %%s', o.oprright::regtype)
            )
        )
    FROM member AS m
    INNER JOIN pg_operator AS o ON o.oid = m.objid
    INNER JOIN pg_namespace AS n ON n.oid = o.oprnamespace
    WHERE m.classid = 'pg_operator'::regclass AND o.oprcode <> 0
    UNION ALL
    SELECT 6, w.oid, format('CREATE FOREIGN DATA WRAPPER %%1$I; GRANT USAGE ON FOREIGN DATA WRAPPER %%1$I TO PUBLIC', w.fdwname)
    FROM member AS m
    INNER JOIN pg_foreign_data_wrapper AS w ON w.oid = m.objid
    WHERE m.classid = 'pg_foreign_data_wrapper'::regclass
)

SELECT s.text
FROM statement AS s
ORDER BY s.place, s.oid
