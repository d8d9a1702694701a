from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule


def _look(sql: Sql) -> Iterator[Hit]:
    for column in sql.columns():
        if column.type == "json":
            yield sql.hit(column.offset, f"{column.table}.{column.name} is json: use jsonb")


RULE = Rule(
    level="warning",
    summary="A column of JSON is jsonb.",
    why="json is kept as text and parsed at each use, has no equality (DISTINCT, GROUP BY and UNION fail) and no index.",
    bad="CREATE TABLE app.t (id bigint PRIMARY KEY, payload json NOT NULL);",
    good="CREATE TABLE app.t (id bigint PRIMARY KEY, payload jsonb NOT NULL);",
    script=_look,
)
