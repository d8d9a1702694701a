from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule


def _look(sql: Sql) -> Iterator[Hit]:
    for statement in sql.of_kind("create_trig_stmt") if sql.routing_key else ():
        yield sql.hit_statement(
            statement, f"{statement.node.relation.relname} could not be distributed by rows: it has the trigger {statement.node.trigname}"
        )


RULE = Rule(
    level="info",
    summary="Distributed by rows, a table has no triggers.",
    why="Citus refuses CREATE TRIGGER on a distributed table, for its body may reach rows of another node: "
    "what it does would move into the functions. Distributed by schema it stays (citus.enable_unsafe_triggers).",
    bad="CREATE TRIGGER audit_orders AFTER INSERT ON app.orders FOR EACH ROW EXECUTE FUNCTION audit.tg_row_change();",
    good="CREATE TABLE app.orders (tenant_id bigint, id bigint, CONSTRAINT orders_pkey PRIMARY KEY (tenant_id, id));",
    script=_look,
    kinds=("repeatable", "migration"),
    rule_set="citus",
)
