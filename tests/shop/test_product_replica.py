"""Reads that are marked for replicas run on a streaming replica, with the primary's answers; the others are refused there."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from dbkit.postgres import server as pg
from dbkit.postgres.throwaway import standby_of

if TYPE_CHECKING:
    from dbkit.testing.plugin import Cluster, ServiceDatabase

    Connection = psycopg.Connection[tuple[Any, ...]]

MANUAL = Path(__file__).parents[2] / "docs/shop/product.md"
MARKED = """
SELECT p.proname, p.provolatile::text, p.proparallel::text
FROM pg_proc AS p
WHERE p.pronamespace = 'product'::regnamespace AND obj_description(p.oid, 'pg_proc') LIKE '%May be read on a replica.%'
"""
WRITERS = """
SELECT p.proname
FROM pg_proc AS p
WHERE p.pronamespace = 'product'::regnamespace AND p.prorettype <> 'trigger'::regtype AND p.provolatile = 'v'
    AND (has_function_privilege('shop_product_app', p.oid, 'EXECUTE') OR has_function_privilege('shop_product_ops', p.oid, 'EXECUTE'))
"""
READS = {
    "get_product_details": ["SELECT product.get_product_details(1)"],
    "list_low_stock": ["SELECT product.list_low_stock()"],
    "rules": ["SELECT product.rules()"],
    "search_products": [
        "SELECT product.search_products('lamp', p_with_facets => TRUE)",
        "SELECT product.search_products('lanp')",
        *(
            f"SELECT product.search_products('lamp', p_category_id => 1, p_currency => 'USD', p_sort => '{sort}', p_limit => 1)"
            for sort in ("relevance", "price_ascending", "price_descending", "rating", "newest")
        ),
    ],
    "subtree_category_ids": ["SELECT product.subtree_category_ids(1)"],
}
WRITES = {
    "approve_review": ("app", "SELECT product.approve_review(1, 1)"),
    "refresh_search_words": ("ops", "SELECT product.refresh_search_words()"),
    "reject_review": ("app", "SELECT product.reject_review(1, 1)"),
    "set_offer": ("app", "SELECT product.set_offer(1, 'USD', 100, 1, TRUE, 1)"),
    "submit_review": ("app", "SELECT product.submit_review(1, 1, 5::smallint, 'Good', '')"),
}


@pytest.fixture(scope="module")
def primary(dbkit_cluster: Cluster) -> Iterator[ServiceDatabase]:
    """A catalogue of two products."""
    made = dbkit_cluster.copy("product")
    made.connect("owner").execute(
        """
        INSERT INTO product.categories (path, slug, name) VALUES ('{}', 'lamps', 'Lamps');
        INSERT INTO product.products (category_id, sku, name) VALUES (1, 'LAMP-1', 'Brass lamp'), (1, 'LAMP-2', 'Oak lamp');
        SELECT product.set_offer(id, 'USD', 100 * id, 3, TRUE) FROM product.products;
        INSERT INTO product.product_reviews (product_id, user_id, rating, title, body) VALUES (1, 7, 5, 'Good', '');
        SELECT product.refresh_search_words();
        """
    )
    yield made
    dbkit_cluster.drop(made)


@pytest.fixture(scope="module")
def replica(primary: ServiceDatabase, dbkit_cluster: Cluster) -> Iterator[pg.Server]:
    """A copy of the server that replays what the primary streams, and has all that is there."""
    with standby_of(dbkit_cluster.server, "replica") as copy:
        row = primary.connect(None).execute("SELECT pg_current_wal_lsn()::text").fetchone()
        assert row
        with psycopg.connect(copy.conninfo("postgres"), autocommit=True) as watcher:
            deadline = time.monotonic() + 60
            while watcher.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [row[0]]).fetchone() != (True,):
                assert time.monotonic() < deadline, "the replica does not catch up"
        yield copy


def on(replica: pg.Server, primary: ServiceDatabase, role: str) -> Connection:
    """Log in on the replica as the role."""
    target = primary.database.target
    return psycopg.connect(replica.conninfo(target.database, target.role(role)), autocommit=True)


def test_the_marked_reads_are_stable_and_those_of_the_manual(primary: ServiceDatabase) -> None:
    marked = primary.connect(None).execute(MARKED).fetchall()
    manual = re.search(r"^May be read on a replica: (.*)$", MANUAL.read_text(encoding="utf-8"), re.MULTILINE)
    assert manual

    assert {row[0] for row in marked} == set(READS) == set(re.findall(r"`(\w+)`", manual[1]))
    assert {row[1] for row in marked} <= {"i", "s"}


@pytest.mark.parametrize("name", READS)
def test_a_marked_read_answers_on_a_replica_as_on_the_primary(primary: ServiceDatabase, replica: pg.Server, name: str) -> None:
    with on(replica, primary, "app") as there:
        assert there.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        for read in READS[name]:
            assert there.execute(read.encode()).fetchall() == primary.connect("app").execute(read.encode()).fetchall()


def test_a_page_goes_on_at_the_other_server(primary: ServiceDatabase, replica: pg.Server) -> None:
    """A cursor of the primary is one of the replica."""
    first = "SELECT product.search_products('lamp', p_limit => 1)"
    second = "SELECT product.search_products('lamp', p_limit => 1, p_cursor => %s) #>> '{items,0,sku}'"
    row = primary.connect("app").execute(f"{first} ->> 'next_cursor'".encode()).fetchone()
    with on(replica, primary, "app") as there:
        assert there.execute(second, row).fetchone() == primary.connect("app").execute(second, row).fetchone() == ("LAMP-1",)


def test_every_other_function_is_refused_on_a_replica(primary: ServiceDatabase, replica: pg.Server) -> None:
    assert {row[0] for row in primary.connect(None).execute(WRITERS)} == set(WRITES)
    for role, write in WRITES.values():
        with on(replica, primary, role) as there, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            there.execute(write.encode())
