from collections.abc import Iterator, Sequence

from dbkit.lint.catalogue import Catalogue, ForeignKey, Table, reference_data
from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule


def _look(scripts: Sequence[Sql]) -> Iterator[tuple[Sql, Hit]]:
    fixed = reference_data(scripts)
    for table in Catalogue(scripts):
        for key in table.foreign_keys:
            if key.to not in fixed and not table.is_derived and not _is_indexed(table, key):
                columns = ", ".join(key.columns)
                message = f"no index of {table.name[1]} begins with ({columns}), which refers to {key.to[1]}"
                yield key.sql, key.sql.hit(key.offset, message)


def _is_indexed(table: Table, key: ForeignKey) -> bool:
    wanted = set(key.columns)
    usable = [index for index in table.indexes if index.method == "btree" or index.columns == key.columns]
    return any(set(index.columns[: len(wanted)]) == wanted for index in usable)


RULE = Rule(
    level="warning",
    summary="The columns of a foreign key are the first of an index.",
    why="Each DELETE or key UPDATE in the table that is referred to searches this one for rows that refer to it, "
    "and without an index reads it all while it holds a lock. Tables whose rows "
    "come from the project's own scripts (states, currencies) are left out.",
    bad="""
CREATE TABLE app.a (id bigint PRIMARY KEY);
CREATE TABLE app.b (id bigint PRIMARY KEY, a_id bigint NOT NULL REFERENCES app.a (id));
""",
    good="""
CREATE TABLE app.a (id bigint PRIMARY KEY);
CREATE TABLE app.states (state text PRIMARY KEY);
INSERT INTO app.states (state) VALUES ('new');
CREATE TABLE app.b (
    id bigint PRIMARY KEY,
    a_id bigint NOT NULL REFERENCES app.a (id),
    state text NOT NULL REFERENCES app.states (state)
);
CREATE INDEX b_a_id_id_idx ON app.b (a_id, id);
CREATE TABLE app.c (a_id bigint PRIMARY KEY REFERENCES app.a (id));
""",
    service=_look,
)
