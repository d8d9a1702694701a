from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule


def _look(sql: Sql) -> Iterator[Hit]:
    for function in sql.functions:
        if not function.is_definer or function.body is None:
            continue  # a body of BEGIN ATOMIC or RETURN is bound when it is created
        path = function.settings.get("search_path")
        if path is None:
            yield function.hit(f"{function.name}() is SECURITY DEFINER and sets no search_path")
        elif path not in {("",), ()} and "pg_temp" not in path:
            yield function.hit(f"{function.name}() is SECURITY DEFINER, and its search_path does not end in pg_temp", level="warning")


RULE = Rule(
    level="error",
    summary="A SECURITY DEFINER function must pin its search_path, with pg_temp last.",
    why="Whoever calls it chooses what its unqualified names mean, and runs code of theirs with the owner's rights. "
    "Where pg_temp is not named it comes first, so that a caller's temporary table hides a real one.",
    bad="CREATE FUNCTION app.f() RETURNS integer LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$ BEGIN RETURN 1; END $$;",
    good="""
CREATE FUNCTION app.f() RETURNS integer LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = app, pg_temp
AS $$ BEGIN RETURN 1; END $$;
CREATE FUNCTION app.g() RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC SELECT 1; END;
CREATE FUNCTION app.h() RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT 1';
CREATE FUNCTION app.i() RETURNS integer LANGUAGE sql STABLE AS 'SELECT 1';
""",
    script=_look,
    kinds=("repeatable", "migration"),
)
