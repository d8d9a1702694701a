from collections.abc import Iterator
from typing import Any

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql, strings
from dbkit.lint.rules import Rule


def _look(sql: Sql) -> Iterator[Hit]:
    told = {_last(statement.node.object) for statement in sql.of_kind("comment_stmt") if statement.node.comment}
    for statement in sql.of_kind("create_stmt"):
        node = statement.node
        if node.relation.relpersistence != "t" and not node.inh_relations and node.relation.relname not in told:
            yield sql.hit_statement(statement, f"the table {node.relation.relname} has no COMMENT ON TABLE in this file")


def _last(node: Any) -> str:
    """Return the last part of a name: of a table, that is the table."""
    return (strings(node.list.items) or [""])[-1] if node.WhichOneof("node") == "list" else ""


RULE = Rule(
    level="warning",
    summary="The file that creates a table says what the table is for.",
    why="The comment travels with the database: into psql, into documentation, into a dump; the migration's text does not.",
    bad="CREATE TABLE app.t (a integer PRIMARY KEY);",
    good="""
CREATE TABLE app.t (a integer PRIMARY KEY) PARTITION BY RANGE (a);
COMMENT ON TABLE app.t IS 'One row an a.';
CREATE TABLE app.t_1 PARTITION OF app.t DEFAULT;
""",
    script=_look,
    kinds=("migration",),
)
