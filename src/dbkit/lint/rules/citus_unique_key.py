from collections.abc import Iterator, Sequence

from dbkit.lint.catalogue import Catalogue, reference_data
from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule


def _look(scripts: Sequence[Sql]) -> Iterator[tuple[Sql, Hit]]:
    small = reference_data(scripts)
    for table in Catalogue(scripts):
        key = table.sql.routing_key
        for index in table.indexes if key and table.name not in small and table.name[0] == table.sql.schema else ():
            if index.is_unique and key not in index.columns:
                yield index.sql, index.sql.hit(index.offset, f"{index.name} is unique over all shards only with {key} in it")


RULE = Rule(
    level="info",
    summary="Distributed by rows, every unique key has the distribution column.",
    why="A node sees its own rows alone, so Citus refuses a PRIMARY KEY, UNIQUE or unique index without the column. "
    "Tables that the project's own scripts fill (states, currencies) would be reference tables, on every node, and are left out.",
    bad="CREATE TABLE app.orders (tenant_id bigint, id bigint, CONSTRAINT orders_pkey PRIMARY KEY (id));",
    good="""
CREATE TABLE app.orders (tenant_id bigint, id bigint, CONSTRAINT orders_pkey PRIMARY KEY (tenant_id, id));
CREATE TABLE app.states (state text, CONSTRAINT states_pkey PRIMARY KEY (state));
INSERT INTO app.states (state) VALUES ('new');
""",
    service=_look,
    rule_set="citus",
)
