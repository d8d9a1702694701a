from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule


def _look(sql: Sql) -> Iterator[Hit]:
    if not sql.has_way_back and "irreversible:" not in sql.text:
        yield Hit(1, "no rollback beside the migration, and no `-- irreversible: reason` that says why")


RULE = Rule(
    level="warning",
    summary="A migration has a rollback beside it, or says why there is none.",
    why="Whoever has to go back at night needs the way back to be written and tested before.",
    bad="CREATE TABLE app.t (a integer);",
    good="-- irreversible: the old values are not kept anywhere\nUPDATE app.t SET a = 0;",
    script=_look,
    kinds=("migration",),
)
