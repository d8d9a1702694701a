"""The catalogue under several connections, and the search page by page."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest

SORTS = ("relevance", "price_ascending", "price_descending", "rating", "newest")
PRODUCTS = 137


class Database(Protocol):
    """A fresh database of one service."""

    def connect(self, role: str | None = "app") -> psycopg.Connection[Any]:
        """A connection of the role, in autocommit."""


Factory = Callable[[str], Database]


def fill(connection: psycopg.Connection[Any]) -> None:
    """Products with few prices, ratings and dates among them: ties everywhere."""
    connection.execute(
        f"""
        INSERT INTO product.categories (path, slug, name)
        VALUES ('{{}}', 'lamps', 'Lamps'), ('{{}}', 'shades', 'Shades');

        INSERT INTO product.products (category_id, sku, name, tags, created_at)
        SELECT
            1, 'LAMP-' || n, CASE WHEN n % 4 = 0 THEN 'Lamp lamp' ELSE 'Lamp' END,
            CASE WHEN n % 2 = 0 THEN '{{even}}'::text[] ELSE '{{}}' END,
            timestamptz '2026-01-01 12:00+00' + n % 5 * interval '1 microsecond'
        FROM generate_series(1, {PRODUCTS}) AS n;

        INSERT INTO product.product_offers (
            product_id, currency, price, stock, low_stock_at, is_active
        )
        SELECT p.id, 'USD', 100 * (p.id % 3), p.id % 4, 10, TRUE
        FROM product.products AS p;

        INSERT INTO product.product_images (product_id, position, is_primary, url)
        SELECT p.id, 1, TRUE, '/images/lamp.jpg'
        FROM product.products AS p;

        INSERT INTO product.product_reviews (product_id, user_id, rating, title, body)
        SELECT p.id, 1, 1 + p.id % 3, 'A lamp', ''
        FROM product.products AS p
        WHERE p.id % 2 = 0;

        UPDATE product.product_reviews SET state = 'approved'
        """
    )


def search(connection: psycopg.Connection[Any], **arguments: Any) -> dict[str, Any]:
    """One call of search_products() by name."""
    names = ", ".join(f"p_{name} => %({name})s" for name in arguments)
    row = connection.execute(f"SELECT product.search_products({names})", arguments).fetchone()
    assert row is not None
    document: dict[str, Any] = row[0]
    return document


def pages(connection: psycopg.Connection[Any], **arguments: Any) -> list[dict[str, Any]]:
    """Every item of every page, in order."""
    items: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = search(connection, cursor=cursor, **arguments)
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("limit", [1, 10, 100])
def test_pages_visit_every_product_once(pg_service: Factory, sort: str, limit: int) -> None:
    """Ties or not, no page repeats or leaves out a product, and the order is the sort's."""
    database = pg_service("product")
    fill(database.connect("owner"))
    items = pages(database.connect(), query="lamp", currency="USD", sort=sort, limit=limit)

    ids = [item["id"] for item in items]
    assert len(ids) == len(set(ids)) == PRODUCTS
    keys = {
        "price_ascending": lambda item: (item["price"], item["id"]),
        "price_descending": lambda item: (-item["price"], -item["id"]),
        "rating": lambda item: (-item["average_rating"], -item["id"]),
    }
    if sort in keys:
        assert items == sorted(items, key=keys[sort])


def test_pages_with_filters_visit_what_the_filters_let_through(pg_service: Factory) -> None:
    """Tags and stock narrow every page, not the first one only."""
    database = pg_service("product")
    owner = database.connect("owner")
    fill(owner)
    items = pages(database.connect(), tags_all=["even"], is_in_stock=True, sort="newest", limit=7)
    wanted = owner.execute(
        """
        SELECT p.id
        FROM product.products AS p
        INNER JOIN product.product_offers AS o ON p.id = o.product_id
        WHERE p.tags @> '{even}' AND o.stock > 0
        ORDER BY p.created_at DESC, p.id DESC
        """
    ).fetchall()
    assert [item["id"] for item in items] == [row[0] for row in wanted]


def test_a_page_goes_on_after_a_product_that_went(pg_service: Factory) -> None:
    """A cursor is a place in the order, and needs no row to be there."""
    database = pg_service("product")
    owner = database.connect("owner")
    fill(owner)
    app = database.connect()
    first = search(app, currency="USD", sort="price_ascending", limit=5)
    before = search(app, currency="USD", sort="price_ascending", limit=5, cursor=first["next_cursor"])
    owner.execute("DELETE FROM product.products WHERE id = %s", [first["items"][-1]["id"]])
    after = search(app, currency="USD", sort="price_ascending", limit=5, cursor=first["next_cursor"])
    assert after["items"] == before["items"]


def test_counts_are_capped(pg_service: Factory) -> None:
    """Beyond the rule a count says so, and relevance ranks the most reviewed matches only."""
    database = pg_service("product")
    owner = database.connect("owner")
    fill(owner)
    owner.execute(
        """
        CREATE OR REPLACE FUNCTION product.rules(
            OUT maximum_page_size integer, OUT maximum_candidates integer,
            OUT low_stock_threshold integer, OUT newest_reviews integer
        )
        RETURNS record LANGUAGE sql IMMUTABLE AS 'SELECT 100, 20, 10, 5'
        """
    )
    app = database.connect()
    page = search(app, query="lamp", limit=100)
    assert page["count"] == {"matches": 20, "is_capped": True}
    assert len(page["items"]) == 20
    assert page["next_cursor"] is None


def test_a_search_reads_an_index_in_order(pg_service: Factory) -> None:
    """A page of a sort by price is one index condition, and filters that are NULL leave no trace."""
    database = pg_service("product")
    owner = database.connect("owner")
    fill(owner)
    owner.execute("ANALYZE")
    with owner.transaction():
        owner.execute("SET LOCAL enable_seqscan = off")
        owner.execute("SET LOCAL enable_sort = off")
        plan = "\n".join(
            row[0]
            for row in owner.execute(
                """
                EXPLAIN (COSTS OFF)
                SELECT m.offered_product_id, m.price
                FROM product.search_matches(
                    ROW(NULL, NULL, 'USD', NULL, NULL, NULL, NULL, NULL, NULL)::product.search_filters
                ) AS m
                WHERE (m.price, m.offered_product_id) > (100, 5)
                ORDER BY m.price, m.offered_product_id
                LIMIT 20
                """
            )
        )
    assert "Function Scan" not in plan
    assert "product_offers_currency_price_product_id_idx" in plan
    assert "ROW(price, product_id) > ROW(" in plan
    assert "search_vector" not in plan
    assert "Sort" not in plan


def test_two_moves_cannot_close_a_circle(pg_service: Factory) -> None:
    """Of two categories moved below each other at the same time, one is refused."""
    database = pg_service("product")
    fill(database.connect("owner"))
    first, second = database.connect(), database.connect()
    first.execute("BEGIN")
    first.execute("UPDATE product.categories SET parent_id = 2 WHERE id = 1")
    with ThreadPoolExecutor(1) as threads:
        move = threads.submit(second.execute, "UPDATE product.categories SET parent_id = 1 WHERE id = 2")
        wait_until_blocked(database, second)
        first.execute("COMMIT")
        with pytest.raises(psycopg.Error) as refused:
            move.result()
    assert refused.value.sqlstate == "SH300"


def test_two_transactions_cannot_leave_images_without_a_primary(pg_service: Factory) -> None:
    """One takes the primary image away, one relies on it: the second to commit is refused."""
    database = pg_service("product")
    fill(database.connect("owner"))
    first, second = database.connect(), database.connect()
    for connection in (first, second):
        connection.execute("BEGIN")
    first.execute("DELETE FROM product.product_images WHERE product_id = 1")
    second.execute("INSERT INTO product.product_images (product_id, position, url) VALUES (1, 2, '/x.jpg')")
    first.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with ThreadPoolExecutor(1) as threads:
        commit = threads.submit(second.execute, "COMMIT")
        wait_until_blocked(database, second)
        first.execute("COMMIT")
        with pytest.raises(psycopg.Error) as refused:
            commit.result()
    assert refused.value.sqlstate == "SH301"


def test_approvals_at_once_are_all_counted(pg_service: Factory) -> None:
    """The counters of a product lose no review, whoever approves in parallel."""
    database = pg_service("product")
    fill(database.connect("owner"))
    reviews = (
        database.connect()
        .execute(
            """
        SELECT s.review_id, s.version
        FROM generate_series(1000, 1039) AS author
        CROSS JOIN LATERAL product.submit_review(
            author, 1, (1 + author % 5)::smallint, 'Title', 'Body'
        ) AS s
        """
        )
        .fetchall()
    )

    def approve(part: int) -> None:
        connection = database.connect()
        for review in reviews[part::4]:
            connection.execute("SELECT product.approve_review(%s, %s)", review)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(approve, range(4)))
    row = database.connect().execute("SELECT product.get_product_details(1) #> '{rating,histogram}'").fetchone()
    assert row == ({"1": 8, "2": 8, "3": 8, "4": 8, "5": 8},)


def test_one_of_two_editors_wins(pg_service: Factory) -> None:
    """Two who saw the same version of an offer: one writes it, one is told."""
    database = pg_service("product")
    fill(database.connect("owner"))

    def price(amount: int) -> str | None:
        try:
            database.connect().execute("SELECT product.set_offer(1, 'USD', %s, 40, TRUE, 1)", [amount])
        except psycopg.Error as refusal:
            return refusal.sqlstate
        return None

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(price, [100, 200]), key=str) == [None, "SH303"]


@pytest.mark.parametrize("role", ["app", "readonly"])
def test_a_role_cannot_reach_past_the_functions(pg_service: Factory, role: str) -> None:
    """Offers, reviews and ratings are written by functions alone; reviews are read so too."""
    connection = pg_service("product").connect(role)
    for statement in (
        "UPDATE product.product_offers SET price = 1",
        "DELETE FROM product.product_listings",
        "SELECT * FROM product.product_reviews",
        "TRUNCATE product.products",
        "SELECT product.decide_review(1, 1, 'approved')",
        "SELECT product.refresh_search_words()",
        "CREATE TABLE product.mine (id bigint)",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_every_error_code_is_documented_and_tested() -> None:
    """A code that is raised is in the manual and in a test."""
    root = Path(__file__).parents[2]
    sources = (root / "schemas/product").rglob("*.sql.j2")
    raised = {code for path in sources for code in re.findall(r"'(SH\d{3})'", path.read_text())}
    manual = (root / "docs/shop/product.md").read_text()
    assert raised == set(re.findall(r"\| `(SH\d{3})` \|", manual))
    tests = "".join(path.read_text() for path in (root / "tests/shop/product").glob("*.sql"))
    assert raised <= set(re.findall(r"-- raises: (SH\d{3})", tests))


def wait_until_blocked(database: Database, connection: psycopg.Connection[Any]) -> None:
    """Return once the server says that the connection waits for a lock."""
    watcher = database.connect(None)
    pid = connection.info.backend_pid
    deadline = time.monotonic() + 60
    while watcher.execute("SELECT pg_blocking_pids(%s) = '{}'", [pid]).fetchone() == (True,):
        assert time.monotonic() < deadline, "nothing blocks the connection"
