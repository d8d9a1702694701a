import re
from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.plpgsql import Compiled
from dbkit.lint.rules import Rule


def _look(sql: Sql) -> Iterator[Hit]:
    for function in sql.functions:
        if function.compiled and function.compiled.error:
            subject = f"{function.name}()" if function.name else "the DO block"
            message = f"{subject} is not PL/pgSQL: {function.compiled.error}"
            yield function.hit_body(_line(function.body or "", function.compiled), message)


def _line(body: str, compiled: Compiled) -> int:
    """Return the line with the word that the error names, from the statement on that the parser had begun."""
    named = re.search(r'"(\w+)"', compiled.error or "")
    for number, line in enumerate(body.split("\n"), 1):
        if named and number >= compiled.line and re.search(rf"\b{named[1]}\b", line):
            return number
    return compiled.line


RULE = Rule(
    level="error",
    summary="Every PL/pgSQL body parses.",
    why="The server says so too, but only once the migration has begun; "
    "and with check_function_bodies off, not before the function is called.",
    bad="CREATE FUNCTION app.f() RETURNS integer LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN 1 END $$;",
    good="""
CREATE FUNCTION app.f(p_row app.orders) RETURNS SETOF app.orders LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_order app.orders;
    v_state app.states;
BEGIN
    v_order.id := p_row.id;
    SELECT s.state, s.id INTO v_state, v_order.id FROM app.states AS s;
    RETURN NEXT v_order;
END;
$$;
CREATE FUNCTION app.tg_t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.a := 1; RETURN NEW; END $$;
""",
    script=_look,
    kinds=("repeatable", "migration", "rollback", "seed"),
)
