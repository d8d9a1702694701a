from collections.abc import Iterator
from typing import Any

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql, constraint_is, definition
from dbkit.lint.rules import Rule

KINDS = {
    "PRIMARY": "primary key",
    "UNIQUE": "unique constraint",
    "FOREIGN": "foreign key",
    "CHECK": "check",
    "EXCLUSION": "exclusion constraint",
}


def _look(sql: Sql) -> Iterator[Hit]:
    for statement in sql.of_kind("create_stmt", "alter_table_stmt", "index_stmt"):
        node = statement.node
        if node.relation.relpersistence == "t":
            continue
        if statement.kind == "index_stmt":
            if not node.idxname:
                yield sql.hit_statement(statement, f"an index of {node.relation.relname} has no name")
            continue
        elements = node.table_elts if statement.kind == "create_stmt" else [definition(c.alter_table_cmd) for c in node.cmds]
        for constraint in (c for element in elements for c in _constraints(element)):
            kind = next((word for name, word in KINDS.items() if constraint_is(constraint, name)), None)
            if kind and not constraint.conname:
                yield sql.hit(constraint.location, f"a {kind} of {node.relation.relname} has no name")


def _constraints(element: Any) -> Iterator[Any]:
    match element.WhichOneof("node"):
        case "constraint":
            yield element.constraint
        case "column_def":
            for item in element.column_def.constraints:
                yield item.constraint


RULE = Rule(
    level="warning",
    summary="Constraints and indexes have names.",
    why="The name is what a caller maps to an error and what a later migration drops; "
    "the one that PostgreSQL makes up changes with the columns.",
    bad="CREATE TABLE app.t (a integer CHECK (a > 0)); CREATE INDEX ON app.t (a);",
    good="CREATE TABLE app.t (a integer NOT NULL DEFAULT 0 CONSTRAINT t_a_check CHECK (a > 0)); CREATE INDEX t_a_idx ON app.t (a);",
    script=_look,
    kinds=("migration",),
)
