from collections.abc import Iterator
from typing import Any

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql, constraint_is
from dbkit.lint.rules import Rule


def _look(sql: Sql) -> Iterator[Hit]:
    for column in sql.columns():
        if column.type in {"int2", "int4"} and _is_counted_up(column.node):
            yield sql.hit(column.offset, f"{column.table}.{column.name} is a generated key of {column.type}: it runs out, bigint does not")


def _is_counted_up(node: Any) -> bool:
    return any(constraint_is(item.constraint, "IDENTITY") for item in node.constraints)


RULE = Rule(
    level="warning",
    summary="A generated key is a bigint.",
    why="An integer key runs out after two thousand million rows, rolled-back ones included, "
    "and widening it rewrites the table and every table that refers to it.",
    bad="CREATE TABLE app.t (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY);",
    good="CREATE TABLE app.t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, quantity integer NOT NULL, month smallint NOT NULL);",
    script=_look,
)
