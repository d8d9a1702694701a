from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule


def _look(sql: Sql) -> Iterator[Hit]:
    for function in sql.functions:
        if function.name and not function.is_procedure and not function.is_trigger and function.volatility is None:
            yield function.hit(f"{function.name}() states no volatility: it is VOLATILE")


RULE = Rule(
    level="warning",
    summary="A function says whether it is IMMUTABLE, STABLE or VOLATILE.",
    why="The default, VOLATILE, keeps the planner from using an index with its result and from calling it once; "
    "who reads the function can't tell whether that was meant.",
    bad="CREATE FUNCTION app.f(p_a integer) RETURNS integer LANGUAGE sql RETURN p_a + 1;",
    good="""
CREATE FUNCTION app.f(p_a integer) RETURNS integer LANGUAGE sql IMMUTABLE RETURN p_a + 1;
CREATE FUNCTION app.tg_t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE PROCEDURE app.p() LANGUAGE sql AS 'SELECT 1';
""",
    script=_look,
    kinds=("repeatable", "migration"),
)
