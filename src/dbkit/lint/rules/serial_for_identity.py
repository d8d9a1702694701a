from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule

SERIAL = {"serial", "serial2", "serial4", "serial8", "smallserial", "bigserial"}


def _look(sql: Sql) -> Iterator[Hit]:
    for column in sql.columns():
        if column.type in SERIAL:
            yield sql.hit(column.offset, f"{column.table}.{column.name} is {column.type}: use bigint GENERATED ALWAYS AS IDENTITY")


RULE = Rule(
    level="warning",
    summary="A generated number is an identity column.",
    why="A serial is a default and a sequence with rights of its own: INSERT needs a second grant, a value typed by hand collides later, "
    "and the default can be dropped while the sequence stays.",
    bad="CREATE TABLE app.t (id bigserial PRIMARY KEY);",
    good="CREATE TABLE app.t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);",
    script=_look,
)
