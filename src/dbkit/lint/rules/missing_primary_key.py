from collections.abc import Iterator, Sequence

from dbkit.lint.catalogue import Catalogue
from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule


def _look(scripts: Sequence[Sql]) -> Iterator[tuple[Sql, Hit]]:
    for table in Catalogue(scripts):
        if table.primary_key is None and not table.is_derived and not table.is_temporary:
            yield table.sql, table.sql.hit_statement(table.statement, f"the table {table.name[1]} has no primary key")


RULE = Rule(
    level="warning",
    summary="A table has a primary key, from the start or by a later migration.",
    why="Without one a row can't be named: logical replication refuses UPDATE and DELETE, and a duplicate can't be told from its original.",
    bad="CREATE TABLE app.t (a integer NOT NULL);",
    good="""
CREATE TABLE app.t (a integer NOT NULL);
ALTER TABLE app.t ADD CONSTRAINT t_pkey PRIMARY KEY (a);
CREATE TABLE app.u (a integer PRIMARY KEY) PARTITION BY RANGE (a);
CREATE TABLE app.u_1 PARTITION OF app.u DEFAULT;
CREATE TEMPORARY TABLE v (a integer);
""",
    service=_look,
)
