from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule


def _look(sql: Sql) -> Iterator[Hit]:
    for column in sql.columns():
        if column.type == "timestamp":
            yield sql.hit(column.offset, f"{column.table}.{column.name} is a timestamp without time zone: use timestamptz")
        elif column.type == "timetz":
            yield sql.hit(column.offset, f"{column.table}.{column.name} is a time with time zone, and has no date to tell summer by")


RULE = Rule(
    level="warning",
    summary="A moment is a timestamptz.",
    why="A timestamp without time zone drops the offset that it is given: two moments eight hours apart are stored as one.",
    bad="CREATE TABLE app.t (id bigint PRIMARY KEY, created_at timestamp NOT NULL);",
    good="CREATE TABLE app.t (id bigint PRIMARY KEY, created_at timestamptz NOT NULL, opens_at time);",
    script=_look,
)
