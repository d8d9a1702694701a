from collections.abc import Iterator, Sequence

from dbkit.lint.catalogue import Catalogue, reference_data
from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule


def _look(scripts: Sequence[Sql]) -> Iterator[tuple[Sql, Hit]]:
    small = reference_data(scripts)
    for table in Catalogue(scripts):
        column = table.sql.routing_key
        for key in table.foreign_keys if column and table.name[0] == table.sql.schema else ():
            if key.to not in small and column not in key.columns:
                message = f"{key.name} refers to {key.to[1]} without {column}: the row may be on another node"
                yield key.sql, key.sql.hit(key.offset, message)


RULE = Rule(
    level="info",
    summary="Distributed by rows, every foreign key has the distribution column.",
    why="Citus keeps a foreign key between tables that are distributed alike, over the column, or to a reference table.",
    bad="""
CREATE TABLE app.orders (tenant_id bigint, id bigint, PRIMARY KEY (tenant_id, id));
CREATE TABLE app.items (tenant_id bigint, order_id bigint, CONSTRAINT items_order_id_fk FOREIGN KEY (order_id) REFERENCES app.orders (id));
""",
    good="""
CREATE TABLE app.orders (tenant_id bigint, id bigint, PRIMARY KEY (tenant_id, id));
CREATE TABLE app.items (
    tenant_id bigint,
    order_id bigint,
    CONSTRAINT items_order_fk FOREIGN KEY (tenant_id, order_id) REFERENCES app.orders (tenant_id, id)
);
""",
    service=_look,
    rule_set="citus",
)
