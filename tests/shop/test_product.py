"""The catalogue under several connections, and the search page by page."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest

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


def test_paths_are_right_whatever_moves_at_once(pg_service: Factory) -> None:
    """Whatever eight connections move where, in the end every path is its parent's and its own id."""
    database = pg_service("product")
    owner = database.connect("owner")
    owner.execute("INSERT INTO product.categories (path, slug, name) SELECT '{}', 'c-' || n, 'C ' || n FROM generate_series(1, 12) AS n")

    def move(seed: int) -> int:
        connection, refused = database.connect(), 0
        for number in range(40):
            child, parent = 1 + (seed * 7 + number * 5) % 12, 1 + (seed * 3 + number * 11) % 12
            try:
                connection.execute("UPDATE product.categories SET parent_id = %s WHERE id = %s", [parent, child])
            except psycopg.Error as refusal:
                if refusal.sqlstate != "SH300":
                    raise
                refused += 1
        return refused

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(move, range(8))) > 0
    wrong = owner.execute(
        """
        WITH RECURSIVE tree AS (
            SELECT id, ARRAY[id] AS path FROM product.categories WHERE parent_id IS NULL
            UNION ALL
            SELECT c.id, t.path || c.id FROM tree AS t INNER JOIN product.categories AS c ON c.parent_id = t.id
        )
        SELECT c.id, c.path, t.path
        FROM product.categories AS c
        LEFT JOIN tree AS t ON c.id = t.id
        WHERE c.path IS DISTINCT FROM t.path
        """
    ).fetchall()
    assert wrong == []


def test_listings_are_what_their_sources_say(pg_service: Factory) -> None:
    """Offers, reviews, moves and deletions at once leave in product_listings what the other tables say, without a deadlock."""
    database = pg_service("product")
    owner = database.connect("owner")
    fill(owner)

    def offer(number: int) -> None:
        connection = database.connect()
        for step in range(50):
            product = 1 + (number + step) % 8
            row = connection.execute("SELECT version FROM product.product_offers WHERE product_id = %s", [product]).fetchone()
            values = [product, 100 * step, step % 3, step % 5 > 0, row and row[0]]
            with suppress(psycopg.errors.ForeignKeyViolation):
                refused(connection, "SELECT product.set_offer(%s, 'USD', %s, %s, %s, %s)", values, "SH303")

    def review(number: int) -> None:
        connection = database.connect()
        for step in range(50):
            values = [100 + number, 1 + (number + step) % 8, 1 + step % 5, str(step)]
            with suppress(psycopg.errors.ForeignKeyViolation):
                row = connection.execute("SELECT * FROM product.submit_review(%s, %s, %s::smallint, %s, '')", values).fetchone()
                if row:
                    refused(connection, "SELECT product.approve_review(%s, %s)", [row[0], row[2]], "SH304")

    def move(number: int) -> None:
        connection = database.connect()
        for step in range(50):
            connection.execute("UPDATE product.products SET category_id = %s WHERE id = %s", [1 + step % 2, 1 + (number + step) % 8])

    def delete(number: int) -> None:
        time.sleep(0.2)
        database.connect().execute("DELETE FROM product.products WHERE id = %s", [1 + number])

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(work, number) for number in range(2) for work in (offer, review, move, delete)]:
            done.result()
    wrong = owner.execute(
        """
        SELECT l.*
        FROM product.product_listings AS l
        FULL JOIN product.products AS p ON l.product_id = p.id
        LEFT JOIN product.product_offers AS o ON p.id = o.product_id
        WHERE (l.category_id, l.created_at, l.currency, l.price, l.is_in_stock, l.is_active, l.review_count)
            IS DISTINCT FROM (
                p.category_id, p.created_at, o.currency, o.price, coalesce(o.stock > 0, FALSE), coalesce(o.is_active, FALSE),
                (SELECT count(*)::integer FROM product.product_reviews AS v WHERE v.product_id = p.id AND v.state = 'approved')
            )
        """
    ).fetchall()
    assert wrong == []


def refused(connection: psycopg.Connection[Any], statement: str, values: list[Any], code: str) -> None:
    """Run a statement that may be refused with that code alone."""
    try:
        connection.execute(statement.encode(), values)
    except psycopg.Error as refusal:
        if refusal.sqlstate != code:
            raise


def test_a_search_is_planned_over_an_index_in_order(pg_service: Factory) -> None:
    """A page of a sort by price is one index condition, and filters that are NULL leave no trace, nor does products."""
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
                SELECT m.product_id, m.price
                FROM product.search_matches(
                    ROW(NULL, NULL, 'USD', NULL, NULL, NULL, NULL, NULL, NULL)::product.search_filters
                ) AS m
                WHERE (m.price, m.product_id) > (100, 5)
                ORDER BY m.price, m.product_id
                LIMIT 20
                """
            )
        )
    assert "Function Scan" not in plan
    assert "product_listings_price_idx" in plan
    assert "ROW(price, product_id) > ROW(" in plan
    assert "products_pkey" not in plan
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


def test_a_snapshot_that_is_old_leaves_no_images_without_a_primary(pg_service: Factory) -> None:
    """Neither sees what the other does: the second to commit is a serialisation failure."""
    database = pg_service("product")
    fill(database.connect("owner"))
    first, second = database.connect(), database.connect()
    for connection in (first, second):
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM product.product_images")
    first.execute("DELETE FROM product.product_images WHERE product_id = 1")
    second.execute("INSERT INTO product.product_images (product_id, position, url) VALUES (1, 2, '/x.jpg')")
    first.execute("COMMIT")
    with pytest.raises(psycopg.errors.SerializationFailure):
        second.execute("COMMIT")


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


def changed(cursor: str, place: int, value: Any) -> str:
    """The cursor with another value in one place of it: version, sort, search, key, id."""
    parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    parts[place] = value
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize("sort", ["relevance", "price_ascending", "price_descending", "rating", "newest"])
def test_a_cursor_that_was_changed_is_refused(pg_service: Factory, sort: str) -> None:
    """Whatever stands in it: an error of ours, or a place in the same list."""
    database = pg_service("product")
    fill(database.connect("owner"))
    app = database.connect()
    arguments: dict[str, Any] = {"query": "lamp", "currency": "USD", "sort": sort, "limit": 3}
    cursor = search(app, **arguments)["next_cursor"]
    wrong = [
        (0, 2),
        (1, "x"),
        (2, "x"),
        (3, None),
        (3, "x"),
        (3, [1]),
        (3, {"a": 1}),
        (3, "9" * 30),
        (3, "2020-01-01 00:00:00+99"),
        (4, "x"),
        (4, None),
        (4, 1.5),
    ]

    assert len(search(app, cursor=changed(cursor, 4, 50), **arguments)["items"]) == 3
    for place, value in wrong:
        with pytest.raises(psycopg.Error) as refusal:
            search(app, cursor=changed(cursor, place, value), **arguments)
        assert (refusal.value.sqlstate, refusal.value.diag.constraint_name) == ("SH313", "search_cursor"), (place, value)
    for text in ("", "a", "ab", "abc", "\u00e9", "W10", "e30", "bnVsbA", cursor[:-3], base64.b64encode(b"[" * 60_000).decode()):
        with pytest.raises(psycopg.Error) as refusal:
            search(app, cursor=text, **arguments)
        assert refusal.value.sqlstate == "SH313", text


def test_typing_errors_are_mended_without_trigrams(pg_service: Factory) -> None:
    """One error in a word is within reach of any server; tests/debian has one with pg_trgm."""
    database = pg_service("product")
    owner = database.connect("owner")
    owner.execute(
        """
        INSERT INTO product.categories (path, slug, name) VALUES ('{}', 'audio', 'Audio');
        INSERT INTO product.products (category_id, sku, name) VALUES (1, 'HP-1', 'Wireless headphones'), (1, 'HP-2', 'Headphone stand');
        SELECT product.set_offer(id, 'USD', 100, 1, TRUE) FROM product.products;
        SELECT product.refresh_search_words();
        """
    )
    app = database.connect()

    assert search(app, query="wirelss haedphones")["did_you_mean"] == "wireless headphones"
    assert search(app, query="xyzzyx")["did_you_mean"] is None
    assert search(app, query="wierlesss")["did_you_mean"] is None


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
