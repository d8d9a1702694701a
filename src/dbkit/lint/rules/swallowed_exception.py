import json
import re
from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.plpgsql import find_nodes
from dbkit.lint.rules import Rule

# A handler that raises, or that keeps what happened, does not swallow it.
TELLS = re.compile(r"PLpgSQL_stmt_raise|PLpgSQL_stmt_getdiag|\bsqlerrm\b|\bsqlstate\b", re.IGNORECASE)


def _look(sql: Sql) -> Iterator[Hit]:
    for function in sql.functions:
        if not function.compiled:
            continue
        for block in function.compiled.nodes("stmt_block"):
            for handler in block.get("exceptions", {}).get("PLpgSQL_exception_block", {}).get("exc_list", []):
                content = handler["PLpgSQL_exception"]
                names = [condition["condname"] for condition in find_nodes(content.get("conditions"), "PLpgSQL_condition")]
                if "others" in names and not TELLS.search(json.dumps(content.get("action", []))):
                    line = _others_line(function.body or "", block["lineno"])
                    yield function.hit_body(line, "WHEN OTHERS swallows every error: it neither raises nor keeps SQLSTATE")


def _others_line(body: str, after: int) -> int:
    """Return the line of the body with the first WHEN OTHERS at or below a line."""
    for number, line in enumerate(body.split("\n"), 1):
        if number >= after and re.search(r"\bOTHERS\b", line, re.IGNORECASE):
            return number
    return after


RULE = Rule(
    level="warning",
    summary="EXCEPTION WHEN OTHERS must not hide what happened.",
    why="It catches serialization failures, deadlocks, a full disk and bugs alike; the caller goes on as if all were well.",
    bad="""
CREATE FUNCTION app.f() RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN 1 / 0;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END;
$$;
""",
    good="""
CREATE FUNCTION app.f() RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN 1 / 0;
EXCEPTION WHEN division_by_zero THEN
    RETURN NULL;
WHEN OTHERS THEN
    RAISE WARNING 'f: %', SQLERRM;
    RAISE;
END;
$$;
""",
    script=_look,
    kinds=("repeatable", "migration", "rollback", "seed"),
)
