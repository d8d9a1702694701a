from collections.abc import Iterator
from typing import Any

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Function, Sql, strings
from dbkit.lint.plpgsql import find_nodes
from dbkit.lint.rules import Rule

QUOTING = {"format", "quote_ident", "quote_literal", "quote_nullable"}
STATEMENTS = {"stmt_dynexecute": "query", "stmt_dynfors": "query", "stmt_return_query": "dynquery", "stmt_open": "dynquery"}


def look(sql: Sql) -> Iterator[Hit]:
    for function in sql.functions:
        yield from _dynamic(function)


def _dynamic(function: Function) -> Iterator[Hit]:
    if not function.compiled:
        return
    for kind, key in STATEMENTS.items():
        for node in function.compiled.nodes(kind):
            for expression in find_nodes(node.get(key), "PLpgSQL_expr"):
                if _pastes(expression["query"]):
                    yield function.hit_body(node.get("lineno", 1), "dynamic SQL is pasted together with || from something unquoted")


def _pastes(expression: str) -> bool:
    import postgast

    try:
        tree = postgast.parse(f"SELECT {expression}")
    except postgast.PgQueryError:
        return False
    value = tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val
    return value.WhichOneof("node") == "a_expr" and not _is_safe(value)


def _is_safe(node: Any) -> bool:
    match node.WhichOneof("node"):
        case "a_const":
            return True
        case "type_cast":
            return _is_safe(node.type_cast.arg) or strings(node.type_cast.type_name.names)[-1].startswith(("reg", "int", "bool", "oid"))
        case "func_call":
            return strings(node.func_call.funcname)[-1] in QUOTING
        case "a_expr" if strings(node.a_expr.name) == ["||"]:
            return _is_safe(node.a_expr.lexpr) and _is_safe(node.a_expr.rexpr)
        case _:
            return False


RULE = Rule(
    level="warning",
    summary="Dynamic SQL is made by format() with %I and %L, values passed by USING.",
    why="What is pasted in with || is read as SQL: a quote in a name breaks the statement, and one from a caller runs whatever the caller likes.",
    bad="""
CREATE FUNCTION app.f(p_table text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    EXECUTE 'DELETE FROM ' || p_table;
END;
$$;
""",
    good="""
CREATE FUNCTION app.f(p_table text, p_id bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    EXECUTE format('DELETE FROM %I WHERE id = $1', p_table) USING p_id;
    EXECUTE 'DELETE FROM ' || quote_ident(p_table) || ' WHERE id = $1' USING p_id;
    EXECUTE 'ANALYZE ' || p_table::regclass;
END;
$$;
""",
    script=look,
    kinds=("repeatable", "migration"),
)
