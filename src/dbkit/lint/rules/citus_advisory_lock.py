from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule


def _look(sql: Sql) -> Iterator[Hit]:
    for function in sql.functions if sql.routing_key else ():
        for number, line in enumerate(function.statement.text.split("\n")):
            column = line.partition("--")[0].find("pg_advisory_")
            column = column if column >= 0 else line.partition("--")[0].find("pg_try_advisory_")
            if column >= 0:
                yield Hit(
                    function.statement.line + number, f"{function.name}() takes an advisory lock, which one node alone knows of", column + 1
                )


RULE = Rule(
    level="info",
    summary="Distributed by rows, an advisory lock holds on one node.",
    why="It is taken where the function runs, on the coordinator or on whatever node the call came to, "
    "and keeps nobody away who runs on another. A row of the shard that is locked does.",
    bad="""
CREATE FUNCTION app.f(p_key bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(p_key);
END;
$$;
""",
    good="""
CREATE FUNCTION app.f(p_tenant_id bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- not pg_advisory_xact_lock(): the row is where its shard is
    PERFORM FROM app.locks AS l WHERE l.tenant_id = p_tenant_id FOR UPDATE;
END;
$$;
""",
    script=_look,
    kinds=("repeatable", "migration"),
    rule_set="citus",
)
