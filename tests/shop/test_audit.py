"""The audit trail of any service, tried on the product's: what it holds, and what it betrays."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Connection = psycopg.Connection[tuple[Any, ...]]

TITLE, BODY, USER, ORDER = "Quite a title", "Hidden body", 987654321, "019a0000-0000-7000-8000-0000"


class Database(Protocol):
    """A fresh database of one service."""

    def connect(self, role: str | None = "app") -> Connection:
        """A connection of the role, in autocommit."""


if TYPE_CHECKING:
    Factory = Callable[[str], Database]


@pytest.fixture
def database(pg_service: Factory) -> Database:
    """The product service with one product and no trail yet."""
    database = pg_service("product")
    database.connect("owner").execute(
        """
        INSERT INTO product.categories (path, slug, name) VALUES ('{}', 'lamps', 'Lamps');
        INSERT INTO product.products (category_id, sku, name)
        SELECT 1, 'LAMP-' || n, 'Lamp' FROM generate_series(1, 9) AS n
        """
    )
    return database


@pytest.fixture
def ops(database: Database) -> Connection:
    """The role that seals and verifies."""
    return database.connect("ops")


@pytest.fixture
def forger(database: Database) -> Connection:
    """A superuser who has switched the guards off."""
    connection = database.connect(None)
    for table in ("row_changes", "seals", "seal_leaves", "retired"):
        connection.execute(f"ALTER TABLE audit.{table} DISABLE TRIGGER USER")
    return connection


def set_offers(database: Database, products: range = range(1, 10)) -> None:
    """One row in the trail for each product."""
    app = database.connect()
    for product in products:
        app.execute("SELECT product.set_offer(%s, 'USD', 100, 5, TRUE)", [product])


def rows(connection: Connection, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return connection.execute(query.encode(), parameters or None).fetchall()


def seal(ops: Connection, size: int = 10000, last: int | None = None) -> int:
    """Seals once all transactions up to a row's are decided; other databases have some, too."""
    query = """
        SELECT FROM audit.row_changes AS c
        WHERE c.epoch = ops.cluster_epoch() AND c.id <= coalesce(%s, c.id)
            AND c.xid >= pg_snapshot_xmin(pg_current_snapshot())
        LIMIT 1
    """
    deadline = time.monotonic() + 120
    while rows(ops, query, last):
        assert time.monotonic() < deadline, "a transaction of another database stays open"
    ((sealed,),) = rows(ops, "SELECT audit.seal(%s)", size)
    count: int = sealed
    return count


def findings(connection: Connection) -> list[tuple[Any, ...]]:
    """What audit.verify() finds: seal, kind, row."""
    return rows(connection, "SELECT seal_number, finding, change_id FROM audit.verify()")


def test_the_trail_says_who_changed_what(database: Database, ops: Connection) -> None:
    """One row a change, with the role that logged in and the changed columns only."""
    set_offers(database, range(1, 2))
    database.connect().execute("SELECT product.set_offer(1, 'USD', 90, 5, TRUE, 1)")
    trail = rows(
        ops,
        """
        SELECT who, table_name, operation, row_key, changes::jsonb - 'updated_at'
        FROM audit.row_changes ORDER BY id DESC LIMIT 1
        """,
    )
    assert trail == [
        (
            "shop_product_app",
            "product.product_offers",
            "UPDATE",
            "1",
            {"price": {"old": 100, "new": 90}, "version": {"old": 1, "new": 2}},
        )
    ]


def test_an_update_that_changes_nothing_leaves_no_row(database: Database, ops: Connection) -> None:
    """The trail is of changes, not of statements."""
    set_offers(database)
    owner = database.connect("owner")
    owner.execute("ALTER TABLE product.product_offers DISABLE TRIGGER touch_product_offers")
    owner.execute("UPDATE product.product_offers SET price = price")
    assert rows(ops, "SELECT count(*) FROM audit.row_changes") == [(9,)]


def test_the_trail_never_holds_a_personal_value(database: Database, ops: Connection) -> None:
    """Neither written, changed nor erased does a person's value or id get into the trail."""
    app, owner = database.connect(), database.connect("owner")
    submit = "SELECT * FROM product.submit_review(%s, 1, 5::smallint, %s, %s, %s)"
    order = ORDER + "00000001"
    app.execute(submit, [USER, TITLE, BODY, order])
    app.execute(submit, [USER, TITLE + " again", BODY + " again", order])
    owner.execute("SELECT ops.erase_personal_data(%s)", [str(USER)])

    trail = rows(ops, "SELECT c::text FROM audit.row_changes AS c WHERE c.row_key <> ''")
    assert len(trail) == 3
    for secret in (TITLE, BODY, str(USER), ORDER):
        assert not [row for (row,) in trail if secret in row]
    references = rows(ops, "SELECT DISTINCT subject_ref IS NULL FROM audit.row_changes")
    assert references == [(False,)]


def test_the_key_of_a_person_proves_a_value(database: Database, ops: Connection) -> None:
    """With the key anyone can show what a value was; erasing deletes the key."""
    database.connect().execute("SELECT product.submit_review(%s, 1, 5::smallint, %s, %s)", [USER, TITLE, BODY])
    superuser = database.connect(None)
    ((key,),) = rows(superuser, "SELECT key FROM ops.privacy_keys")
    ((written,),) = rows(ops, "SELECT changes::jsonb #>> '{title,new_hmac}' FROM audit.row_changes")
    message = f"product.product_reviews.title={TITLE}".encode()
    assert written == hmac.new(key, message, hashlib.sha256).hexdigest()

    database.connect("owner").execute("SELECT ops.erase_personal_data(%s)", [str(USER)])
    assert rows(superuser, "SELECT key FROM ops.privacy_keys") == []


@pytest.mark.parametrize("size", [1, 20, 32, 64, 65, 131])
def test_hmac_is_that_of_rfc_2104(database: Database, ops: Connection, size: int) -> None:
    """Keys shorter than, as long as and longer than a block."""
    key, message = bytes(range(1, size + 1)), "Möwe \0"[:-1].encode()
    (found,) = rows(ops, "SELECT audit.hmac_sha256(%s, %s)", key, message)
    assert found == (hmac.new(key, message, hashlib.sha256).digest(),)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit.row_changes SET who = 'nobody'",
        "DELETE FROM audit.row_changes",
        "TRUNCATE audit.row_changes",
        "UPDATE audit.seals SET change_count = 1",
        "DELETE FROM audit.seal_leaves",
        "TRUNCATE audit.seals CASCADE",
    ],
)
def test_the_trail_is_append_only(database: Database, ops: Connection, statement: str) -> None:
    """Not even the owner changes it by mistake."""
    set_offers(database)
    seal(ops)
    with pytest.raises(psycopg.Error) as refused:
        database.connect("owner").execute(statement.encode())
    assert refused.value.sqlstate == "SH450"


TRAIL = {"row_changes", "seals", "seal_leaves", "retired"}
SEALING = {"seal", "seal_lag", "seal_hash", "root_hash", "change_hash", "hash_field"}
VERIFYING = {"verify", "verify_batch", "verify_chain", "verify_strangers", "personal_change", "hmac_sha256", "hmac_pad"}
LETTING_GO = {"retire_month", "release_month"}


@pytest.mark.parametrize(
    ("role", "functions", "tables"),
    [("app", set(), set()), ("readonly", set(), set()), ("ops", SEALING | VERIFYING | LETTING_GO, TRAIL)],
)
def test_a_role_has_this_of_the_trail_and_nothing_else(database: Database, role: str, functions: set[str], tables: set[str]) -> None:
    """Asked as the role that has logged in; of partitions too."""
    client = database.connect(role)
    allowed = rows(
        client,
        "SELECT proname FROM pg_proc WHERE pronamespace = 'audit'::regnamespace AND has_function_privilege(oid, 'EXECUTE')",
    )
    held = rows(
        client,
        "SELECT c.relname, p FROM pg_class AS c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS p"
        " WHERE c.relnamespace = 'audit'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND has_any_column_privilege(c.oid, p)"
        " UNION ALL"
        " SELECT c.relname, p FROM pg_class AS c, unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER']) AS p"
        " WHERE c.relnamespace = 'audit'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND has_table_privilege(c.oid, p)",
    )

    assert {name for (name,) in allowed} == functions
    assert set(held) == {(table, "SELECT") for table in tables}


def test_only_ops_reads_the_trail(database: Database, ops: Connection) -> None:
    """The app writes it without seeing it; ops reads and seals it without writing it."""
    set_offers(database)
    for role in ("app", "readonly"):
        for statement in (b"SELECT * FROM audit.row_changes", b"SELECT audit.seal()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                database.connect(role).execute(statement)
    for statement in (
        b"INSERT INTO audit.retired (month_start, seal_number, change_count) VALUES (now(), 1, 1)",
        b"DELETE FROM audit.row_changes",
        b"SELECT audit.append_seal('batch', 1, '1', '1', now(), now(), now(), '{}', '{}')",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ops.execute(statement)


def test_a_sealed_trail_verifies(database: Database, ops: Connection) -> None:
    """What was not touched is found whole, in one batch or many."""
    set_offers(database)
    assert rows(ops, "SELECT unsealed_changes FROM audit.seal_lag()") == [(9,)]
    assert seal(ops, 4) == 9
    assert seal(ops) == 0
    assert rows(ops, "SELECT change_count FROM audit.seals ORDER BY number") == [(4,), (4,), (1,)]
    assert rows(ops, "SELECT unsealed_changes FROM audit.seal_lag()") == [(0,)]
    assert findings(ops) == []


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ("UPDATE audit.row_changes SET who = 'nobody' WHERE id = 5", "row_altered"),
        ("UPDATE audit.row_changes SET changes = '{}' WHERE id = 5", "row_altered"),
        ("UPDATE audit.row_changes SET at = at - interval '1 us' WHERE id = 5", "row_altered"),
        ("DELETE FROM audit.row_changes WHERE id = 5", "row_removed"),
    ],
)
def test_a_forged_row_is_found(database: Database, ops: Connection, forger: Connection, change: str, finding: str) -> None:
    """The first batch and the row are named."""
    set_offers(database)
    seal(ops, 3)
    forger.execute(change.encode())
    assert findings(ops) == [(2, finding, 5)]


def test_a_row_added_to_the_past_is_found(database: Database, ops: Connection, forger: Connection) -> None:
    """A row below the sealed transactions that no batch holds was written by hand."""
    set_offers(database)
    seal(ops)
    forger.execute(
        """
        INSERT INTO audit.row_changes (epoch, xid, table_name, operation, row_key, changes)
        VALUES (1, '7', 'product.product_offers', 'DELETE', '1', '{}')
        """
    )
    assert findings(ops) == [(None, "row_added", 10)]


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_row_added_under_the_id_of_another_is_found(database: Database, ops: Connection, forger: Connection, seconds: int) -> None:
    """A batch has the id, and the row is in the range of another's transactions; found in its own second alone, too."""
    set_offers(database)
    seal(ops, 3)
    forger.execute(
        """
        INSERT INTO audit.row_changes (at, epoch, xid, id, who, table_name, operation, row_key, changes) OVERRIDING SYSTEM VALUE
        SELECT a.at - make_interval(secs => %s), b.epoch, b.xid, a.id, 'victim', a.table_name, a.operation, a.row_key, a.changes
        FROM audit.row_changes AS a, audit.row_changes AS b
        WHERE a.id = 1 AND b.id = 5
        """,
        [seconds],
    )
    assert findings(ops) == [(None, "row_added", 1)]
    forged = "SELECT at, at + interval '1 microsecond' FROM audit.row_changes WHERE who = 'victim'"
    ((start, end),) = rows(forger, forged)
    assert [row[1:3] for row in rows(ops, "SELECT * FROM audit.verify(%s, %s)", start, end)] == [("row_added", 1)]


def test_no_bound_is_no_bound(database: Database, ops: Connection, forger: Connection) -> None:
    """A NULL looks at everything."""
    set_offers(database)
    seal(ops)
    forger.execute("DELETE FROM audit.row_changes WHERE id = 5")
    for bounds in ("NULL, NULL", "NULL, 'infinity'", "'-infinity', NULL"):
        assert [row[1:3] for row in rows(ops, f"SELECT * FROM audit.verify({bounds})")] == [("row_removed", 5)]


def test_a_rewritten_chain_is_found(database: Database, ops: Connection, forger: Connection) -> None:
    """Leaves hash to their root, seals to their hash, and to the one before."""
    set_offers(database)
    seal(ops, 2)
    forger.execute("UPDATE audit.row_changes SET who = 'nobody' WHERE id = 1")
    forger.execute(
        """
        UPDATE audit.seal_leaves
        SET change_hashes[1] = (
            SELECT audit.change_hash(id, at, epoch, xid, who, table_name, operation, row_key,
                subject_ref, changes)
            FROM audit.row_changes WHERE id = 1
        )
        WHERE seal_number = 1
        """
    )
    assert findings(ops) == [(1, "leaves_altered", None)]
    forger.execute(
        """
        UPDATE audit.seals SET root = (
            SELECT audit.root_hash(change_hashes) FROM audit.seal_leaves WHERE seal_number = 1
        )
        WHERE number = 1
        """
    )
    assert findings(ops) == [(1, "seal_altered", None)]
    forger.execute(
        """
        UPDATE audit.seals SET hash = audit.seal_hash(
            number, kind, epoch, first_xid, last_xid, month_start, change_count, first_at, last_at,
            root, previous_hash, sealed_at
        )
        WHERE number = 1
        """
    )
    assert findings(ops) == [(2, "chain_broken", None)]


def test_a_seal_taken_out_is_found(database: Database, ops: Connection, forger: Connection) -> None:
    """With its leaves and rows: the numbers have a gap."""
    set_offers(database)
    seal(ops, 3)
    forger.execute("DELETE FROM audit.row_changes WHERE id BETWEEN 4 AND 6")
    forger.execute("DELETE FROM audit.seal_leaves WHERE seal_number = 2")
    forger.execute("DELETE FROM audit.seals WHERE number = 2")
    assert findings(ops) == [(3, "seal_removed", None)]


def test_sealing_leaves_what_is_not_decided(database: Database, ops: Connection) -> None:
    """A transaction that is still open holds back itself and all that began after it."""
    slow = database.connect()
    set_offers(database, range(1, 3))
    slow.execute("BEGIN")
    slow.execute("SELECT product.set_offer(3, 'USD', 100, 5, TRUE)")
    set_offers(database, range(4, 7))
    assert seal(ops, last=2) == 2
    slow.execute("COMMIT")
    assert seal(ops) == 4
    assert findings(ops) == []


def test_one_seals_at_a_time(database: Database, ops: Connection) -> None:
    """A second sealer returns at once, and the chain has no fork."""
    set_offers(database)
    other = database.connect("ops")
    ops.execute("BEGIN")
    assert seal(ops) == 9
    assert rows(other, "SELECT audit.seal()") == [(0,)]
    ops.execute("COMMIT")

    def seal_often(_: int) -> None:
        connection = database.connect("ops")
        for _round in range(5):
            connection.execute("SELECT audit.seal(2)")

    with ThreadPoolExecutor(4) as threads:
        sealing = [threads.submit(seal_often, n) for n in range(3)]
        app = database.connect()
        for version in range(1, 40):
            app.execute("SELECT product.set_offer(1, 'USD', %s, 5, TRUE, %s)", [version, version])
        for future in sealing:
            future.result()
    seal(ops)
    assert rows(ops, "SELECT sum(change_count) FROM audit.seals") == [(48,)]
    assert findings(ops) == []


def last_month(forger: Connection) -> None:
    """Moves the rows of the trail that are not sealed into the month before."""
    forger.execute("UPDATE audit.row_changes SET at = date_trunc('month', now(), 'UTC') - interval '1 hour'")


def test_no_batch_spans_two_months(database: Database, ops: Connection, forger: Connection) -> None:
    """A month can be dropped without breaking a batch of another."""
    set_offers(database, range(1, 4))
    last_month(forger)
    set_offers(database, range(4, 6))
    seal(ops)
    seals = rows(
        ops,
        """
        SELECT change_count, month_start = date_trunc('month', now(), 'UTC')
        FROM audit.seals ORDER BY number
        """,
    )
    assert seals == [(3, False), (2, True)]


def test_a_retired_month_may_be_dropped(database: Database, ops: Connection, forger: Connection) -> None:
    """Its roots stay in the chain, and what remains still verifies."""
    set_offers(database, range(1, 4))
    last_month(forger)
    set_offers(database, range(4, 6))
    seal(ops)
    month = "(date_trunc('month', now(), 'UTC') - interval '1 day')::date"
    assert rows(ops, f"SELECT audit.retire_month({month})") == [(3,)]
    ((suffix,),) = rows(ops, f"SELECT to_char({month}, 'YYYY_MM')")
    owner = database.connect("owner")
    owner.execute(f"DROP TABLE audit.row_changes_p{suffix}".encode())
    owner.execute(f"DROP TABLE audit.seal_leaves_p{suffix}".encode())
    assert findings(ops) == []
    set_offers(database, range(6, 8))
    assert seal(ops) == 2
    assert findings(ops) == []


def test_a_month_is_not_retired_too_soon(database: Database, ops: Connection, forger: Connection) -> None:
    """Not the present month, not with rows that no seal covers, not when altered."""

    def refusal(month: str) -> str | None:
        with pytest.raises(psycopg.Error) as refused:
            ops.execute(f"SELECT audit.retire_month({month})".encode())
        assert refused.value.sqlstate == "SH452"
        return refused.value.diag.message_detail

    last = "(date_trunc('month', now(), 'UTC') - interval '1 day')::date"
    set_offers(database, range(1, 4))
    seal(ops)
    assert "over: f" in str(refusal("current_date"))
    assert "partition: none" in str(refusal("date '2001-01-01'"))
    set_offers(database, range(4, 6))
    forger.execute(b"UPDATE audit.row_changes SET at = at - interval '1 month' WHERE id > 3")
    assert "not sealed: 2" in str(refusal(last))
    seal(ops)
    forger.execute("UPDATE audit.row_changes SET who = 'nobody' WHERE id = 4")
    assert "row_altered" in str(refusal(last))


def test_transactions_of_another_cluster_are_sealed(database: Database, ops: Connection, forger: Connection) -> None:
    """After a restore ids start low again: order is by epoch first."""
    set_offers(database, range(1, 3))
    forger.execute("UPDATE audit.row_changes SET xid = '4000000000000'")
    forger.execute("SELECT ops.raise_cluster_epoch('restored')")
    set_offers(database, range(3, 6))
    assert seal(ops) == 5
    assert seal(ops) == 0
    assert rows(ops, "SELECT unsealed_changes FROM audit.seal_lag()") == [(0,)]
    assert findings(ops) == []


def test_a_personal_column_under_a_new_name_is_not_written_in_clear(database: Database) -> None:
    """The trigger names its columns: a write fails until it knows the new name."""
    database.connect("owner").execute("ALTER TABLE product.product_reviews RENAME COLUMN title TO headline")
    with pytest.raises(psycopg.errors.UndefinedColumn):
        database.connect("owner").execute(
            "INSERT INTO product.product_reviews (product_id, user_id, rating, headline, body) VALUES (1, 1, 5, 'T', 'B')"
        )


@pytest.mark.parametrize("service", ["product", "order", "payment", "inventory"])
def test_every_column_of_an_audited_table_is_in_its_trail(pg_service: Factory, service: str) -> None:
    """A migration that adds a column names it in the table's `audited` too: the key's, personal ones, all."""
    tables = rows(
        pg_service(service).connect(None),
        """
        SELECT t.tgrelid::regclass::text, p.prosrc, array_agg(a.attname::text ORDER BY a.attnum)
        FROM pg_trigger AS t
        JOIN pg_proc AS p ON p.oid = t.tgfoid AND p.proname LIKE 'tg\\_%%\\_audit'
        JOIN pg_attribute AS a ON a.attrelid = t.tgrelid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE t.tgparentid = 0
        GROUP BY t.oid, p.oid
        """,
    )
    assert tables
    for table, source, columns in tables:
        assert set(re.findall(r"IF OLD\.(\w+) IS DISTINCT FROM NEW", source)) == set(columns), table


def test_a_value_that_comes_or_goes_is_a_change(database: Database, ops: Connection) -> None:
    """NULL to a value and back; the trail of an insert and of a delete has every value."""
    owner = database.connect("owner")
    owner.execute(
        """
        ALTER TABLE product.product_offers ALTER COLUMN low_stock_at DROP NOT NULL;
        INSERT INTO product.product_offers (product_id, currency, price, stock, is_active, low_stock_at)
        VALUES (1, 'USD', 5, 1, TRUE, NULL);
        UPDATE product.product_offers SET low_stock_at = 3;
        UPDATE product.product_offers SET low_stock_at = NULL;
        DELETE FROM product.product_offers
        """
    )
    trail = rows(
        ops, "SELECT operation, changes::jsonb #> '{low_stock_at}', changes::jsonb #> '{price}' FROM audit.row_changes ORDER BY id"
    )
    assert trail == [
        ("INSERT", None, {"old": None, "new": 5}),
        ("UPDATE", {"old": None, "new": 3}, None),
        ("UPDATE", {"old": 3, "new": None}, None),
        ("DELETE", None, {"old": 5, "new": None}),
    ]


def test_an_audited_table_is_not_truncated(database: Database) -> None:
    """It would leave no trail of the rows; not even the owner does it."""
    with pytest.raises(psycopg.Error) as refused:
        database.connect("owner").execute("TRUNCATE product.product_reviews")
    assert refused.value.sqlstate == "SH451"


def test_every_error_code_is_documented_and_tested() -> None:
    """A code that is raised is in the manual and in a test."""
    root = Path(__file__).parents[2]
    sources = (root / "schemas/_shared/audit").rglob("*.sql.j2")
    raised = {code for path in sources for code in re.findall(r"SH\d{3}", path.read_text())}
    assert raised == set(re.findall(r"\| `(SH\d{3})` \|", (root / "docs/shop/audit.md").read_text()))
    assert raised <= set(re.findall(r"SH\d{3}", Path(__file__).read_text()))
