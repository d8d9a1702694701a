"""Every index of the shop serves: at 100,000 rows its query, written in plans/SERVICE.sql, is planned with it.

plans/SERVICE.load.sql fills the tables (and plans/_shared.load.sql those of ops and audit), as superuser with triggers and
foreign keys off. A block of plans/SERVICE.sql begins with `-- index: NAME` (qualified where the schema is not the service's)
and holds one query with literal values. An index that is there to refuse has `-- refuses` below its name, and a statement
that it must refuse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbkit.testing.plugin import Cluster

    Connection = psycopg.Connection[tuple[Any, ...]]

PLANS = Path(__file__).parent / "plans"
SERVICES = {"product": "product", "order": "orders", "payment": "payment", "inventory": "inventory"}
# partitions' indexes count as their parent's; the journal's and yoyo's are dbkit's own
INDEXES = """
SELECT i.indexrelid::regclass::text, i.indisunique
FROM pg_index AS i
INNER JOIN pg_class AS c ON c.oid = i.indexrelid
INNER JOIN pg_class AS t ON t.oid = i.indrelid
WHERE c.relnamespace = ANY(%s::regnamespace[]) AND NOT c.relispartition AND t.relname !~ '^_?yoyo'
    AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
ORDER BY 1
"""
ROOTS = """
SELECT c.oid::regclass::text, coalesce(pg_partition_root(c.oid), c.oid)::regclass::text, c.relname
FROM pg_class AS c WHERE c.relkind IN ('i', 'I') AND c.relnamespace = ANY(%s::regnamespace[])
"""
UNINDEXED = """
SELECT k.conrelid::regclass::text, k.conname
FROM pg_constraint AS k
WHERE k.contype = 'f' AND k.conparentid = 0 AND k.connamespace = ANY(%s::regnamespace[])
    AND NOT EXISTS (
        SELECT FROM pg_index AS i
        WHERE i.indrelid = k.conrelid AND i.indisvalid
            AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
    )
"""
DUPLICATE = """
SELECT i.indexrelid::regclass::text, j.indexrelid::regclass::text
FROM pg_index AS i
INNER JOIN pg_index AS j ON j.indrelid = i.indrelid AND j.indexrelid <> i.indexrelid
INNER JOIN pg_class AS c ON c.oid = i.indexrelid
INNER JOIN pg_class AS d ON d.oid = j.indexrelid
WHERE c.relnamespace = ANY(%s::regnamespace[]) AND NOT c.relispartition AND c.relam = d.relam AND NOT i.indisunique
    AND i.indexprs IS NULL AND j.indexprs IS NULL
    AND pg_get_expr(i.indpred, i.indrelid) IS NOT DISTINCT FROM pg_get_expr(j.indpred, j.indrelid)
    AND (j.indkey::int2[])[0:i.indnkeyatts - 1] = (i.indkey::int2[])[0:i.indnkeyatts - 1]
    AND (j.indoption::int2[])[0:i.indnkeyatts - 1] = (i.indoption::int2[])[0:i.indnkeyatts - 1]
    AND (j.indclass::oid[])[0:i.indnkeyatts - 1] = (i.indclass::oid[])[0:i.indnkeyatts - 1]
    AND i.indnkeyatts <= j.indnkeyatts
"""


@dataclass(frozen=True)
class Block:
    """What stands under the name of an index: its query, or what it refuses."""

    statement: str
    refuses: bool


@dataclass(frozen=True)
class Filled:
    """A service with 100,000 rows a table."""

    service: str
    schemas: list[str]
    blocks: dict[str, Block]
    connection: Connection


@pytest.fixture(scope="module", params=list(SERVICES))
def filled(request: pytest.FixtureRequest, dbkit_cluster: Cluster) -> Iterator[Filled]:
    service: str = request.param
    made = dbkit_cluster.copy(service)
    connection = made.connect(None)
    connection.execute("SET session_replication_role = replica")
    for name in (service, "_shared"):
        connection.execute((PLANS / f"{name}.load.sql").read_text().encode())
    connection.execute("RESET session_replication_role")
    connection.execute("VACUUM (ANALYZE)")
    connection.execute(f"SET search_path = {SERVICES[service]}".encode())
    schemas = [
        row[0]
        for row in connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname = ANY(%s)", [[SERVICES[service], "ops", "audit", "outbox"]]
        )
    ]
    blocks = read_blocks(PLANS / f"{service}.sql") | read_blocks(PLANS / "_shared.sql")
    yield Filled(service, schemas, blocks, connection)
    dbkit_cluster.drop(made)


def read_blocks(path: Path) -> dict[str, Block]:
    """Read name -> block of a file of queries."""
    parts = re.split(r"^-- index: (\S+)\n", path.read_text(), flags=re.MULTILINE)
    bodies = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert len(bodies) == len(parts) // 2, "an index stands twice"
    return {name: Block(body, bool(re.match(r"-- refuses\b", body))) for name, body in bodies.items()}


def test_every_index_has_its_query_and_every_query_its_index(filled: Filled) -> None:
    there = {name for name, _ in filled.connection.execute(INDEXES, [filled.schemas])}

    assert set(filled.blocks) == there


def test_every_query_is_planned_with_its_index(filled: Filled) -> None:
    roots = {name: root for child, root, relname in filled.connection.execute(ROOTS, [filled.schemas]) for name in (child, relname)}
    missed = {}
    for name, block in filled.blocks.items():
        if not block.refuses:
            plan = one(filled.connection.execute(f"EXPLAIN (FORMAT JSON) {block.statement}".encode()))
            used = {roots.get(index, index) for index in index_names(plan)}
            if name not in used:
                missed[name] = sorted(used)

    assert missed == {}


def test_what_an_index_is_there_to_refuse_is_refused_by_it(filled: Filled) -> None:
    roots = {relname: root for _, root, relname in filled.connection.execute(ROOTS, [filled.schemas])}
    for name, block in filled.blocks.items():
        if block.refuses:
            script = f"SET LOCAL session_replication_role = replica;\n{block.statement}"
            with pytest.raises(psycopg.errors.UniqueViolation) as caught, filled.connection.transaction():
                filled.connection.execute(script.encode())

            assert roots[caught.value.diag.constraint_name or ""] == name


def test_every_foreign_key_is_indexed(filled: Filled) -> None:
    assert filled.connection.execute(UNINDEXED, [filled.schemas]).fetchall() == []


def test_no_index_is_the_beginning_of_another(filled: Filled) -> None:
    assert filled.connection.execute(DUPLICATE, [filled.schemas]).fetchall() == []


def index_names(plan: Any) -> Iterator[str]:
    """Yield the indexes that a plan reads."""
    if isinstance(plan, list):
        for part in plan:
            yield from index_names(part)
    elif isinstance(plan, dict):
        if "Index Name" in plan:
            yield plan["Index Name"]
        for part in plan.values():
            yield from index_names(part)


def one(cursor: psycopg.Cursor[tuple[Any, ...]]) -> Any:
    """Return the only column of the only row."""
    row = cursor.fetchone()
    assert row is not None
    return row[0]
