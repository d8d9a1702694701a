import re
from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule

LOCK = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+UPDATE|UPDATE|KEY\s+SHARE|SHARE)\b", re.IGNORECASE)
UNREAD = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)


def _look(sql: Sql) -> Iterator[Hit]:
    for function in sql.functions if sql.routing_key else ():
        text = UNREAD.sub(lambda unread: re.sub(r"[^\n]", " ", unread[0]), function.statement.text)
        for lock in LOCK.finditer(text):
            begins = text.rfind(";", 0, lock.start()) + 1
            if not re.search(rf"\b(?:p_|v_)?{sql.routing_key}\b", text[begins : lock.start()]):
                line = function.statement.line + text.count("\n", 0, lock.start())
                yield Hit(line, f"{function.name}() locks rows without {sql.routing_key}", lock.start() - text.rfind("\n", 0, lock.start()))


RULE = Rule(
    level="info",
    summary="Distributed by rows, what locks rows names the distribution column.",
    why="Citus locks rows on one node only: SELECT … FOR UPDATE without the column in its condition is refused, "
    "as is SKIP LOCKED over the rows of all users.",
    bad="""
CREATE FUNCTION app.f(p_id bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM FROM app.orders AS o WHERE o.id = p_id FOR UPDATE;
END;
$$;
""",
    good="""
CREATE FUNCTION app.f(p_tenant_id bigint, p_id bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- FOR UPDATE: nobody else ships it
    PERFORM FROM app.orders AS o WHERE o.tenant_id = p_tenant_id AND o.id = p_id FOR UPDATE;
END;
$$;
""",
    script=_look,
    kinds=("repeatable", "migration"),
    rule_set="citus",
)
