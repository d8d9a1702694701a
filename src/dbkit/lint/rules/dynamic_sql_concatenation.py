from collections.abc import Iterator
from typing import Any

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Function, Sql, strings
from dbkit.lint.plpgsql import find_nodes
from dbkit.lint.rules import Rule

QUOTING = {"format", "quote_ident", "quote_literal", "quote_nullable"}
STATEMENTS = {"stmt_dynexecute": "query", "stmt_dynfors": "query", "stmt_return_query": "dynquery", "stmt_open": "dynquery"}


def _look(sql: Sql) -> Iterator[Hit]:
    for function in sql.functions:
        yield from _dynamic(function)


def _dynamic(function: Function) -> Iterator[Hit]:
    if not function.compiled:
        return
    for kind, key in STATEMENTS.items():
        for node in function.compiled.nodes(kind):
            for expression in find_nodes(node.get(key), "PLpgSQL_expr"):
                for name in dict.fromkeys(_unquoted(expression["query"])):
                    line = node.get("lineno", 1)
                    if name in function.parameters:
                        yield function.hit_body(line, f"dynamic SQL is pasted together with ||, and {name} comes from the caller")
                    else:
                        yield function.hit_body(line, f"dynamic SQL is pasted together with ||: is {name} quoted?", level="info")


def _unquoted(expression: str) -> Iterator[str]:
    """Yield the names that an expression of || pastes in as they are."""
    import postgast

    try:
        tree = postgast.parse(f"SELECT {expression}")
    except postgast.PgQueryError:
        return
    value = tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val
    if value.WhichOneof("node") == "a_expr":
        yield from _names(value)


def _names(node: Any) -> Iterator[str]:
    match node.WhichOneof("node"):
        case "column_ref":
            yield ".".join(strings(node.column_ref.fields))
        case "type_cast" if not strings(node.type_cast.type_name.names)[-1].startswith(("reg", "int", "bool", "oid")):
            yield from _names(node.type_cast.arg)
        case "func_call" if strings(node.func_call.funcname)[-1] not in QUOTING:
            for argument in node.func_call.args:
                yield from _names(argument)
        case "a_expr" if strings(node.a_expr.name) == ["||"]:
            yield from _names(node.a_expr.lexpr)
            yield from _names(node.a_expr.rexpr)


RULE = Rule(
    level="warning",
    summary="Dynamic SQL is made by format() with %I and %L, values passed by USING.",
    why="What is pasted in with || is read as SQL: a quote in a name breaks the statement, and one from a caller runs whatever "
    "the caller likes. A variable of the function's own may have been quoted before: that is information.",
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
    script=_look,
    kinds=("repeatable", "migration"),
)
