"""Every index of the shop serves: at 100,000 rows its query, written in plans/SERVICE.sql, is planned with it.

plans/SERVICE.load.sql fills the tables (and plans/_shared.load.sql those of ops and audit), as superuser with triggers and
foreign keys off. A block of plans/SERVICE.sql begins with `-- index: NAME` (qualified where the schema is not the service's)
and holds one query with literal values. An index that is there to refuse has `-- refuses` below its name, and a statement
that it must refuse. A primary key without a block finds a row by the whole key; where the table is one of a few rows, that
nobody plans with an index, it refuses the row's twin.
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
SELECT i.indexrelid::regclass::text
FROM pg_index AS i
INNER JOIN pg_class AS c ON c.oid = i.indexrelid
INNER JOIN pg_class AS t ON t.oid = i.indrelid
WHERE c.relnamespace = ANY(%s::regnamespace[]) AND NOT c.relispartition AND t.relname !~ '^_?yoyo'
ORDER BY 1
"""
PRIMARY_KEYS = """
SELECT i.indexrelid::regclass::text, i.indrelid::regclass::text,
    (SELECT array_agg(quote_ident(a.attname)) FROM pg_attribute AS a WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)),
    (
        SELECT string_agg(quote_ident(a.attname), ', ') FROM pg_attribute AS a
        WHERE a.attrelid = i.indrelid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    )
FROM pg_index AS i
INNER JOIN pg_class AS c ON c.oid = i.indexrelid
INNER JOIN pg_class AS t ON t.oid = i.indrelid
WHERE c.relnamespace = ANY(%s::regnamespace[]) AND i.indisprimary AND NOT c.relispartition AND t.relname !~ '^_?yoyo'
"""
FEW_ROWS = 200
SIZE = """
SELECT CASE WHEN c.relkind IN ('i', 'I') THEN 'indexes' ELSE 'tables' END, c.oid::regclass::text
FROM pg_class AS c
LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
INNER JOIN pg_class AS t ON t.oid = coalesce(i.indrelid, c.oid)
WHERE c.relkind IN ('i', 'I', 'r', 'p') AND c.relnamespace = ANY(%s::regnamespace[]) AND NOT c.relispartition
    AND t.relname !~ '^_?yoyo'
UNION ALL
SELECT 'functions', p.oid::regprocedure::text FROM pg_proc AS p WHERE p.pronamespace = ANY(%s::regnamespace[])
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
            AND (
                i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) IN (
                    SELECT format('(%%I IS NOT NULL)', a.attname) FROM pg_attribute AS a
                    WHERE a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey)
                )
            )
            AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
    )
"""
DUPLICATE = """
SELECT i.indexrelid::regclass::text, j.indexrelid::regclass::text
FROM pg_index AS i
INNER JOIN pg_index AS j ON j.indrelid = i.indrelid AND j.indexrelid <> i.indexrelid
INNER JOIN pg_class AS c ON c.oid = i.indexrelid
INNER JOIN pg_class AS d ON d.oid = j.indexrelid
WHERE c.relnamespace = ANY(%s::regnamespace[]) AND NOT c.relispartition AND c.relam = d.relam
    AND (NOT i.indisunique OR j.indisunique AND i.indnkeyatts = j.indnkeyatts)
    AND pg_get_expr(i.indpred, i.indrelid) IS NOT DISTINCT FROM pg_get_expr(j.indpred, j.indrelid)
    AND NOT EXISTS (
        SELECT FROM generate_series(1, i.indnkeyatts) AS n
        WHERE pg_get_indexdef(i.indexrelid, n, FALSE) IS DISTINCT FROM pg_get_indexdef(j.indexrelid, n, FALSE)
    )
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
    schemas = [SERVICES[service], "ops", "audit"]
    blocks = key_blocks(connection, schemas) | read_blocks(PLANS / f"{service}.sql") | read_blocks(PLANS / "_shared.sql")
    yield Filled(service, schemas, blocks, connection)
    dbkit_cluster.drop(made)


def key_blocks(connection: Connection, schemas: list[str]) -> dict[str, Block]:
    """Write what each primary key finds, or refuses."""
    blocks = {}
    for index, table, key, columns in connection.execute(PRIMARY_KEYS, [schemas]).fetchall():
        if one(connection.execute(f"SELECT count(*) FROM {table}".encode())) > FEW_ROWS:
            values = connection.execute(f"SELECT {', '.join(f'quote_literal({name})' for name in key)} FROM {table} LIMIT 1".encode())
            (row,) = values.fetchall()
            blocks[index] = Block(f"SELECT FROM {table} WHERE {' AND '.join(map('{} = {}'.format, key, row))}", refuses=False)
        else:
            twin = f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {table} LIMIT 1"
            blocks[index] = Block(twin, refuses=True)
    return blocks


def read_blocks(path: Path) -> dict[str, Block]:
    """Read name -> block of a file of queries."""
    parts = re.split(r"^-- index: (\S+)\n", path.read_text(), flags=re.MULTILINE)
    bodies = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert len(bodies) == len(parts) // 2, "an index stands twice"
    return {name: Block(body, bool(re.match(r"-- refuses\b", body))) for name, body in bodies.items()}


def test_every_index_has_its_query_and_every_query_its_index(filled: Filled) -> None:
    there = {name for (name,) in filled.connection.execute(INDEXES, [filled.schemas])}

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


def test_the_shop_is_as_large_as_it_says(dbkit_cluster: Cluster) -> None:
    """What is in several services (ops, audit) counts once, partitions not at all."""
    found: dict[str, set[str]] = {"indexes": set(), "functions": set(), "tables": set()}
    for service, schema in SERVICES.items():
        made = dbkit_cluster.copy(service)
        for kind, name in made.connect(None).execute(SIZE, [[schema, "ops", "audit"]] * 2):
            found[kind].add(name)
        dbkit_cluster.drop(made)

    assert len(found["indexes"]) >= 100
    assert len(found["functions"]) >= 40
    assert len(found["tables"]) >= 30


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
