from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule
from dbkit.source.objections import objections


def _look(sql: Sql) -> Iterator[Hit]:
    for objection in objections(sql.statements, schema=sql.schema, transactional=sql.transactional, allow=sql.allow):
        yield Hit(objection.line, f"{objection.message}; {objection.hint}")


RULE = Rule(
    level="error",
    summary="`dbkit migrate` refuses the migration.",
    why="A migration runs in one transaction together with its mark in the journal; "
    "what can't, or what ends it, is refused before anything runs.",
    bad="BEGIN; CREATE TABLE app.t (a integer); COMMIT;",
    good="CREATE TABLE app.t (a integer);",
    script=_look,
    kinds=("migration",),
)
