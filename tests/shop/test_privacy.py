"""Whatever a service knows of a person is exported and, once erased, is in no byte of a dump; the books stay."""

from __future__ import annotations

import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbkit.testing.plugin import ServiceDatabase

    Connection = psycopg.Connection[tuple[Any, ...]]

USER = 9876543210123
ORDER = "00000000-0000-7000-8000-0000deadbeef"
# in every value of the person's, so that a dump can be searched for it
MARK = "Zebulon"

PRODUCT = f"""
INSERT INTO product.categories (path, slug, name) VALUES ('{{}}', 'lamps', 'Lamps');
INSERT INTO product.products (category_id, sku, name) VALUES (1, 'LAMP-1', 'Lamp');
SELECT product.submit_review({USER}, 1, 5::smallint, '{MARK} likes it', 'I am {MARK}, and I know lamps.', '{ORDER}');
SELECT product.approve_review(id, version) FROM product.product_reviews;
"""
ORDERS = f"""
SELECT orders.register_outbox_consumer('mail', p_on_dead => 'skip', p_maximum_attempts => 1);
SELECT orders.create_order({USER}, '{MARK}-key', 'USD', '[{{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}}]',
    '{MARK}', '{{"line_1": "9 {MARK} Road"}}', 'GB', '{MARK}@example.com', '+44 {MARK}');
SELECT orders.confirm_order({USER}, id) FROM orders.orders;
SELECT orders.record_parcel({USER}, id, 1, 'post', '{MARK}1') FROM orders.orders;
SELECT orders.add_order_note({USER}, id, id, 'staff', '{MARK} called.') FROM orders.orders;
SELECT orders.create_order({USER}, '{MARK}-2', 'USD', '[{{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}}]',
    '{MARK}', '{{"line_1": "9 {MARK} Road"}}', 'GB', '{MARK}@example.com', '+44 {MARK}');
SELECT orders.fail_outbox_event('mail', c.lease_token, c.event_id, 'smtp.550')
FROM orders.claim_outbox_events('mail', 'w', 10) AS c;
"""
PAYMENT = f"""
SELECT payment.process_payment_authorization({USER}, 'auth', '{ORDER}',
    payment.add_payment_method({USER}, 'testpay', 'tok_{MARK}', 'card'), 5000, 'USD');
SELECT payment.record_provider_result({USER}, 'auth', TRUE, 'ch_1');
SELECT payment.capture_payment({USER}, 'cap', id) FROM payment.payments;
SELECT payment.record_provider_result({USER}, 'cap', TRUE, 'cp_1');
SELECT payment.refund_payment({USER}, 'ref', id, 'goodwill', 1000) FROM payment.payments;
SELECT payment.record_provider_result({USER}, 'ref', TRUE, 're_1');
SELECT payment.record_provider_event({USER}, 'testpay', 'evt_1', 'dispute.opened', now(), NULL, 'dp_1', 'ch_1', 4000, 'USD',
    p_dispute_reason => 'fraudulent');
SELECT payment.add_dispute_evidence({USER}, id, 'e1', 'receipt', 'https://files.example/1', sha256('x')) FROM payment.payment_disputes;
"""
INVENTORY = f"""
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold) VALUES ('lamps', 'Lamps', 3);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT 1, 'LAMP-1', 'Lamp', id FROM inventory.inventory_categories;
SELECT inventory.receive_stock(1, ops.new_id(), 10);
SELECT inventory.reserve_inventory('{ORDER}', {USER}, '[{{"product_id": 1, "quantity": 4}}]');
"""


@dataclass(frozen=True)
class Case:
    """A service: what puts the person everywhere, and a query of the books, which erasing must not change."""

    service: str
    story: str
    books: str


CASES = [
    Case("product", PRODUCT, "SELECT count(*) FROM product.products"),
    Case("order", ORDERS, "SELECT total, state FROM orders.orders ORDER BY id"),
    Case("payment", PAYMENT, "SELECT p.amount, p.refunded_amount, p.state FROM payment.payments AS p"),
    Case("inventory", INVENTORY, "SELECT available, reserved FROM inventory.inventory"),
]


def rows(connection: Connection, query: str, *values: object) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return connection.execute(query.encode(), values or None).fetchall()


def dump(database: ServiceDatabase) -> str:
    """The whole database as pg_dump has it."""
    assert database.database.server is not None
    program = database.database.server.binaries.program("pg_dump")
    return subprocess.run([program, database.dsn(None)], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.service)
def test_an_erased_person_is_in_no_byte_of_a_dump(pg_service: Callable[[str], ServiceDatabase], case: Case) -> None:
    """Every mapped column is filled first; then the scan finds nothing, the books are as they were, the trail verifies."""
    database = pg_service(case.service)
    owner, superuser = database.connect("owner"), database.connect(None)
    for statement in case.story.split(";\n"):
        if statement.strip():
            owner.execute(statement.encode())
    books = rows(owner, case.books)
    exported = rows(owner, "SELECT ops.export_personal_data(%s)", str(USER))[0][0]["tables"]
    empty = [
        f"{table}.{column}"
        for table, column in rows(owner, "SELECT table_name, column_name FROM ops.personal_columns WHERE policy <> 'keep'")
        if not any(row.get(column) is not None for row in exported[table])
    ]
    assert set(empty) <= {"payment.payment_methods.brand", "payment.payment_methods.last_four", "payment.payment_methods.expires_on"}
    assert str(USER) in dump(database)
    assert [row for row in rows(owner, "SELECT * FROM ops.residual_scan(%s, %s)", str(USER), [MARK]) if row[0] == "found"]

    owner.execute("SELECT ops.erase_personal_data(%s)", [str(USER)])
    found = rows(
        owner, "SELECT finding, place FROM ops.residual_scan(%s, %s)", str(USER), [MARK, ORDER if case.service == "product" else MARK]
    )
    assert {finding for finding, _ in found} == {"not reached"}
    text = dump(database).lower()
    assert [line for line in text.splitlines() if str(USER) in line or MARK.lower() in line] == []
    assert rows(owner, case.books) == books
    while rows(superuser, "SELECT audit.seal(), (SELECT unsealed_changes FROM audit.seal_lag())")[0][1]:
        pass
    assert rows(superuser, "SELECT * FROM audit.verify()") == []


def test_the_scan_finds_what_nobody_mapped(pg_service: Callable[[str], ServiceDatabase]) -> None:
    """In text, arrays and JSON of any table, a partition too; what merely contains the id's digits is not the person."""
    owner = pg_service("product").connect("owner")
    owner.execute(
        """
        CREATE TABLE product.logs (at timestamptz, lines text[], seen jsonb, note text) PARTITION BY RANGE (at);
        CREATE TABLE product.logs_1 PARTITION OF product.logs FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
        INSERT INTO product.logs VALUES (now(), '{a,"ann@example.org"}', '{"user_id": 42}', '42'),
        (now(), '{}', '{"n": 42, "user_id": 142, "users": [142, 421]}', '4242'),
        (now(), '{}', '{"userId": 42}', ''), (now(), '{}', '{"UserID": "42", "a": 1}', ''), (now(), '{}', '{"users": [7, 42, 8]}', '');
        """
    )
    found = rows(owner, "SELECT place, row_count, detail FROM ops.residual_scan('42', '{ANN@example.org}') WHERE finding = 'found'")
    assert found == [
        ("product.logs_1.lines", 1, "not mapped"),
        ("product.logs_1.seen", 4, "not mapped"),
        ("product.logs_1.note", 1, "not mapped"),
    ]


def test_the_scan_names_what_no_query_reaches(pg_service: Callable[[str], ServiceDatabase]) -> None:
    """Backups, WAL, exported roots, archives: each with when it ends."""
    owner = pg_service("product").connect("owner")
    owner.execute("INSERT INTO ops.partition_exits VALUES ('product.a_p2026_01', 'product.a', now(), now(), '/archive/a', now(), now())")
    places = dict(rows(owner, "SELECT place, detail FROM ops.residual_scan('42') WHERE finding = 'not reached'"))
    assert all(places.values())
    sentences = "the bare id inside a sentence, and under a JSON key that does not say whose it is"
    assert {sentences, "/archive/a", "backups and copies of this database", "exported roots of the audit trail", "dbkit.journal"} <= set(
        places
    )


def test_what_is_written_while_a_person_is_erased_is_not_half_theirs(pg_service: Callable[[str], ServiceDatabase]) -> None:
    """A writer who holds the row goes first and is erased too; nothing deadlocks, and the trail has no key left."""
    database = pg_service("product")
    owner, writer, observer = database.connect("owner"), database.connect("owner"), database.connect(None)
    for statement in PRODUCT.split(";\n"):
        if statement.strip():
            owner.execute(statement.encode())
    writer.execute("BEGIN")
    writer.execute("UPDATE product.product_reviews SET body = %s", [f"{MARK} again"])
    eraser = threading.Thread(target=lambda: owner.execute("SELECT ops.erase_personal_data(%s)", [str(USER)]))
    eraser.start()
    while not rows(observer, "SELECT cardinality(pg_blocking_pids(%s)) > 0", owner.info.backend_pid)[0][0]:
        assert eraser.is_alive()
    writer.execute("COMMIT")
    eraser.join(30)
    assert MARK not in dump(database)
    assert rows(observer, "SELECT count(*) FROM ops.privacy_keys") == [(0,)]


@dataclass(frozen=True)
class Race:
    """A service's story, the row that a call locks first, and the call, which locks what hangs on it."""

    story: str
    first: str
    call: str


RACES = {
    "order": Race(
        ORDERS,
        "SELECT orders.lock_order(user_id, id) FROM orders.orders WHERE state = 'pending'",
        "SELECT orders.confirm_order(user_id, id) FROM orders.orders WHERE state = 'pending'",
    ),
    "order's parcel": Race(
        ORDERS,
        "SELECT orders.lock_order(user_id, id) FROM orders.orders WHERE state = 'confirmed'",
        f"SELECT orders.record_parcel(user_id, id, 1, 'post', '{MARK}2') FROM orders.orders WHERE state = 'confirmed'",
    ),
    "payment": Race(
        PAYMENT,
        "SELECT payment.lock_payment(user_id, id) FROM payment.payments",
        f"SELECT payment.resolve_dispute({USER}, id, 'lost') FROM payment.payment_disputes",
    ),
    "payment's event": Race(
        PAYMENT.replace("'ch_1', 4000", "'ch_1', 5001"),
        "SELECT FROM payment.provider_events FOR UPDATE",
        "SELECT payment.process_provider_events()",
    ),
    "inventory": Race(
        INVENTORY,
        "SELECT inventory.lock_reservation(order_id) FROM inventory.inventory_reservations",
        f"SELECT inventory.confirm_reservation('{ORDER}')",
    ),
}


@pytest.mark.parametrize("race", RACES)
def test_a_person_is_erased_in_the_order_in_which_calls_lock(pg_service: Callable[[str], ServiceDatabase], race: str) -> None:
    """A call that has its first row finds the others unlocked, however many tables the person is in; then the person goes."""
    case = RACES[race]
    database = pg_service(race.partition("'")[0])
    owner, writer, observer = database.connect("owner"), database.connect("owner"), database.connect(None)
    for statement in case.story.split(";\n"):
        if statement.strip():
            owner.execute(statement.encode())
    eraser = ThreadPoolExecutor(1)
    with writer.transaction():
        writer.execute(case.first.encode())
        erased = eraser.submit(owner.execute, "SELECT ops.erase_personal_data(%s)", [str(USER)])
        while not rows(observer, "SELECT cardinality(pg_blocking_pids(%s)) > 0", owner.info.backend_pid)[0][0]:
            assert not erased.done()
        writer.execute(case.call.encode())
    erased.result(30)
    assert {row[0] for row in rows(owner, "SELECT finding FROM ops.residual_scan(%s, %s)", str(USER), [MARK])} == {"not reached"}


def test_a_persons_rows_are_locked_by_key(pg_service: Callable[[str], ServiceDatabase]) -> None:
    """Whoever waits for the first holds none of the others, in whatever order they were written."""
    database = pg_service("inventory")
    owner, writer, observer = database.connect("owner"), database.connect("owner"), database.connect(None)
    first, last = ORDER, ORDER.replace("deadbeef", "feedbeef")
    story = INVENTORY.replace(ORDER, last) + INVENTORY.splitlines()[-1].replace('"quantity": 4', '"quantity": 1')
    for statement in story.split(";\n"):
        owner.execute(statement.encode())
    lock = "SELECT FROM inventory.inventory_reservations WHERE order_id = %s FOR UPDATE"
    with ThreadPoolExecutor(1) as pool, writer.transaction():
        writer.execute(lock, [first])
        erased = pool.submit(owner.execute, "SELECT ops.erase_personal_data(%s)", [str(USER)])
        while not rows(observer, "SELECT cardinality(pg_blocking_pids(%s)) > 0", owner.info.backend_pid)[0][0]:
            assert not erased.done()
        writer.execute(f"{lock} NOWAIT", [last])


def test_two_persons_who_know_the_same_things_are_erased_at_once(pg_service: Callable[[str], ServiceDatabase]) -> None:
    """What a row's going changes elsewhere, as the ratings of products do, is in no order of two persons' rows."""
    database = pg_service("product")
    owner, other, observer = database.connect("owner"), database.connect("owner"), database.connect(None)
    owner.execute("INSERT INTO product.categories (path, slug, name) VALUES ('{}', 'lamps', 'Lamps')")
    owner.execute("INSERT INTO product.products (category_id, sku, name) SELECT 1, 'LAMP-' || n, 'Lamp' FROM generate_series(1, 3) AS n")
    for user, products in ((1, (1, 3, 2)), (2, (2, 3, 1))):
        for product in products:
            owner.execute("SELECT product.submit_review(%s, %s, 5::smallint, 'Good', 'I like this lamp.', NULL)", [user, product])
    owner.execute("SELECT product.approve_review(id, version) FROM product.product_reviews")
    erase = "SELECT ops.erase_personal_data(%s)"
    with ThreadPoolExecutor(2) as pool:
        with observer.transaction():
            observer.execute("SELECT FROM product.product_listings WHERE product_id = 3 FOR UPDATE")
            erasings = []
            for person, connection in (("1", owner), ("2", other)):
                erasings.append(pool.submit(connection.execute, erase, [person]))
                while not rows(observer, "SELECT cardinality(pg_blocking_pids(%s)) > 0", connection.info.backend_pid)[0][0]:
                    assert not erasings[-1].done()
        for erased in erasings:
            erased.result(30)
    assert rows(owner, "SELECT count(*) FROM product.product_reviews") == [(0,)]


def test_what_was_asked_for_an_erased_person_is_answered_all_the_same(pg_service: Callable[[str], ServiceDatabase]) -> None:
    """The provider echoes the user it was sent: the money counts, and nobody learns of the person anew."""
    database = pg_service("payment")
    owner, app = database.connect("owner"), database.connect("app")
    for statement in PAYMENT.replace("'ch_1', 4000", "'ch_1', 1000").split(";\n"):
        if statement.strip():
            owner.execute(statement.encode())
    payment, request = rows(
        app,
        "SELECT payment_id, request_id FROM payment.refund_payment(%s, 'late', (SELECT id FROM payment.payments), 'goodwill', 500)",
        USER,
    )[0]
    owner.execute("SELECT ops.erase_personal_data(%s)", [str(USER)])

    with pytest.raises(psycopg.Error) as refusal:
        app.execute("SELECT payment.record_provider_result(%s, 'late', TRUE, 're_2')", [USER])
    assert refusal.value.sqlstate == "SH109"
    assert "record_provider_event()" in str(refusal.value.diag.message_hint)
    tell = """
    SELECT state, payment_id
    FROM payment.record_provider_event(%s, 'testpay', %s, %s, now(), %s, %s, %s, %s, %s, p_dispute_reason => %s)
    """
    for number, event in enumerate(
        [
            ("refund.succeeded", request, "re_2", None, None, None, None),
            ("dispute.opened", None, "dp_2", "ch_1", 700, "USD", "fraudulent"),
            ("dispute.won", None, "dp_2", None, None, None, None),
            ("dispute.lost", None, "dp_1", None, None, None, None),
        ]
    ):
        assert rows(app, tell, USER, f"evt_late_{number}", *event) == [("applied", payment)]
    amounts = "SELECT refunded_amount, refund_pending_amount, dispute_open_amount, dispute_lost_amount FROM payment.payments"
    assert rows(app, amounts) == [(1500, 0, 0, 1000)]
    assert {row[0] for row in rows(owner, "SELECT finding FROM ops.residual_scan(%s, %s)", str(USER), [MARK])} == {"not reached"}


def test_an_event_that_waits_for_an_erasing_is_applied(pg_service: Callable[[str], ServiceDatabase]) -> None:
    """It found its payment while that was the person's; the provider gets no error, and the user it named is not kept."""
    database = pg_service("payment")
    owner, app, observer = database.connect("owner"), database.connect("app"), database.connect(None)
    for statement in PAYMENT.split(";\n"):
        if statement.strip():
            owner.execute(statement.encode())
    won = "SELECT state FROM payment.record_provider_event(%s, 'testpay', 'evt_2', 'dispute.won', now(), NULL, 'dp_1')"
    with ThreadPoolExecutor(1) as pool:
        with owner.transaction():
            owner.execute("SELECT ops.erase_personal_data(%s)", [str(USER)])
            told = pool.submit(rows, app, won, USER)
            while not rows(observer, "SELECT cardinality(pg_blocking_pids(%s)) > 0", app.info.backend_pid)[0][0]:
                assert not told.done()
        assert told.result() == [("applied",)]
    assert {row[0] for row in rows(owner, "SELECT finding FROM ops.residual_scan(%s, %s)", str(USER), [MARK])} == {"not reached"}


def test_export_and_erasure_agree_on_the_mapped_columns(pg_service: Callable[[str], ServiceDatabase]) -> None:
    """What the receipt counts is what the export had."""
    owner = pg_service("inventory").connect("owner")
    for statement in INVENTORY.split(";\n"):
        if statement.strip():
            owner.execute(statement.encode())
    exported = rows(owner, "SELECT ops.export_personal_data(%s)", str(USER))[0][0]["tables"]
    receipt = rows(owner, "SELECT ops.erase_personal_data(%s)", str(USER))[0][0]
    assert {table: len(found) for table, found in exported.items()} == {done["table"]: done["rows"] for done in receipt["erased_rows"]}
    assert str(USER) not in json.dumps(receipt)
