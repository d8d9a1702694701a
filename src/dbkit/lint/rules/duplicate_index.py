from collections.abc import Iterator, Sequence

from dbkit.lint.catalogue import Catalogue, Index
from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule


def _look(scripts: Sequence[Sql]) -> Iterator[tuple[Sql, Hit]]:
    for table in Catalogue(scripts):
        for position, index in enumerate(table.indexes):
            if index.is_key or index.is_unique or index.is_partial or index.method != "btree":
                continue
            other = next((o for p, o in enumerate(table.indexes) if p != position and _covers(o, index, later=p > position)), None)
            if other:
                same = "the same columns" if len(other.detail) == len(index.detail) else "these columns and more"
                yield index.sql, index.sql.hit(index.offset, f"{index.name} is not needed: {other.name} begins with {same}")


def _covers(other: Index, index: Index, *, later: bool) -> bool:
    """Say whether the other index answers all that this one does; of two equal ones the later is in excess."""
    if other.is_partial or other.method != "btree" or other.detail[: len(index.detail)] != index.detail:
        return False
    return len(other.detail) > len(index.detail) or not later or other.is_key or other.is_unique


RULE = Rule(
    level="warning",
    summary="An index whose columns begin another one is not needed.",
    why="It is written at every INSERT and UPDATE, vacuumed and kept in memory, and answers nothing that the longer one does not.",
    bad="""
CREATE TABLE app.t (a bigint, b bigint, CONSTRAINT t_pkey PRIMARY KEY (a, b));
CREATE INDEX t_a_idx ON app.t (a);
""",
    good="""
CREATE TABLE app.t (a bigint, b bigint, c bigint, CONSTRAINT t_pkey PRIMARY KEY (a, b));
CREATE INDEX t_b_idx ON app.t (b);
CREATE INDEX t_b_c_idx ON app.t (b DESC, c);
CREATE INDEX t_a_idx ON app.t (a) WHERE c > 0;
""",
    service=_look,
)
