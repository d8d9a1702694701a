from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule


def _look(sql: Sql) -> Iterator[Hit]:
    for function in sql.functions:
        if not function.name or function.is_procedure or not function.compiled:
            continue
        for word in ("commit", "rollback"):
            for node in function.compiled.nodes(f"stmt_{word}"):
                message = f"{word.upper()} in a function always fails (2D000): make {function.name} a procedure"
                yield function.hit_body(node["lineno"], message)


RULE = Rule(
    level="error",
    summary="A function can't end a transaction.",
    why="PL/pgSQL compiles it, and the server refuses it each time the line is reached.",
    bad="CREATE FUNCTION app.f() RETURNS void LANGUAGE plpgsql VOLATILE AS $$ BEGIN COMMIT; END $$;",
    good="CREATE PROCEDURE app.f() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;",
    script=_look,
    kinds=("repeatable", "migration"),
)
