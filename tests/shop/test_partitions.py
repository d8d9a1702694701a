"""Months of partitioned tables: made ahead, taken off behind, while others write; a run that dies is finished by the next."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import threading
import time
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import psycopg
import pytest

from dbkit.maintain import partitions
from dbkit.maintain.partitions import Done, keep_partitions, plan_partitions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dbkit.testing.plugin import ServiceDatabase

    Connection = psycopg.Connection[tuple[Any, ...]]

ADDRESS = {"street": "Elm 5", "city": "Springfield", "country": "US"}
ITEMS = [{"product_id": 1, "product_name": "Lamp", "quantity": 1, "unit_price": 2000}]
FAMILY = ["order_fulfillment", "order_items", "order_notes", "order_status_history", "orders"]
TRAIL = ["orders.outbox_events", "audit.row_changes", "audit.seal_leaves"]


@pytest.fixture
def database(pg_service: Callable[[str], ServiceDatabase]) -> ServiceDatabase:
    """The order service, whose orders of three months ago are past their time."""
    database = pg_service("order")
    owner = database.connect("owner")
    owner.execute("UPDATE ops.retention SET keep_months = 1 WHERE table_name = 'orders.orders'")
    for table in reversed(FAMILY):
        owner.execute(old_month(f"orders.{table}", "ops.id_floor").encode())
    fill = database.connect(None)
    fill.execute("SET session_replication_role = replica")
    fill.execute(
        """
        INSERT INTO orders.orders (id, user_id, order_number, currency, item_count, subtotal, discount, tax, total, recipient_name,
            shipping_address, shipping_country, contact_email, expires_at)
        SELECT ops.id_floor(date_trunc('month', now(), 'UTC') - interval '3 months' + n * interval '1 second'), n, 'OLD-' || n,
            'USD', 1, 2000, 0, 0, 2000, 'Ann', '{}', 'US', 'a@example.org', now()
        FROM generate_series(1, 200) AS n;
        INSERT INTO orders.order_items (order_id, line_number, product_id, product_name, quantity, unit_price, discount, tax_rate)
        SELECT id, 1, 1, 'Lamp', 1, 2000, 0, 0 FROM orders.orders
        """
    )
    return database


def old_month(table: str, bound: str = "") -> str:
    """A partition as ops.create_partitions() names it, of three months ago."""
    return f"""
        DO $$
        DECLARE v_start timestamptz := date_trunc('month', now(), 'UTC') - interval '3 months';
        BEGIN
            EXECUTE format('CREATE TABLE {table}_p%s PARTITION OF {table} FOR VALUES FROM (%L) TO (%L)',
                to_char(v_start AT TIME ZONE 'UTC', 'YYYY_MM'), {bound}(v_start),
                {bound}(((v_start AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC'));
        END $$
    """


def add_old_trail(database: ServiceDatabase) -> None:
    """Events and sealed row changes of three months ago, past their time."""
    owner, fill = database.connect("owner"), database.connect(None)
    owner.execute("UPDATE ops.retention SET keep_months = 1")
    for table in TRAIL:
        owner.execute(old_month(table).encode())
    fill.execute("SET session_replication_role = replica")
    fill.execute(
        """
        INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key, key_seq, xid, epoch, created_at)
        SELECT 'order', ops.new_id(), 'order.created', '{}', 'key ' || n, n, n::text::xid8, 1,
            date_trunc('month', now(), 'UTC') - interval '3 months' + n * interval '1 second'
        FROM generate_series(1, 200) AS n;
        INSERT INTO audit.row_changes (at, epoch, table_name, operation, row_key, changes)
        SELECT date_trunc('month', now(), 'UTC') - interval '3 months' + n * interval '1 second', 1, 'orders.orders', 'DELETE', n, '{}'
        FROM generate_series(1, 200) AS n
        """
    )
    while not one(fill, "SELECT audit.seal()"):
        time.sleep(0.1)


def keep(database: ServiceDatabase, archive: Path | None = None) -> list[Done]:
    return keep_partitions(database.database, lambda _done: None, archive)


def one(connection: Connection, query: str) -> Any:
    """The only value of a query."""
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


class Writers:
    """Threads that place and confirm orders until they are told to stop; what failed, and the longest call."""

    def __init__(self, database: ServiceDatabase, count: int) -> None:
        self.failures: list[Exception] = []
        self.placed: list[Any] = []
        self.longest = 0.0
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(database.connect(), number)) for number in range(count)]

    def _write(self, app: Connection, number: int) -> None:
        turn = 0
        while not self._end.is_set():
            turn += 1
            started = time.monotonic()
            try:
                self.placed.append(place(app, 1000 * number + turn, str(uuid4())))
            except psycopg.Error as exc:
                self.failures.append(exc)
                return
            self.longest = max(self.longest, time.monotonic() - started)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(60)


def place(app: Connection, user: int, key: str) -> Any:
    """Place an order and confirm it; returns its id."""
    placed = app.execute(
        "SELECT * FROM orders.create_order(%s, %s, 'USD', %s, 'Ann', %s, 'US', 'ann@example.org')",
        [user, key, json.dumps(ITEMS), json.dumps(ADDRESS)],
    ).fetchone()
    assert placed is not None
    assert placed[0] == "created", placed
    app.execute("SELECT * FROM orders.confirm_order(%s, %s)", [user, placed[1]])
    return placed[1]


def test_months_come_and_go_while_eight_write(database: ServiceDatabase) -> None:
    """Nobody fails or deadlocks, nobody waits longer than a few lock timeouts, nothing is lost; the old month is gone."""
    add_old_trail(database)
    owner = database.connect("owner")
    last = one(owner, "SELECT to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '4 months', '\"_p\"YYYY\"_\"MM')")
    for table in FAMILY:
        owner.execute(f"ALTER TABLE orders.{table} DETACH PARTITION orders.{table}{last}".encode())
        owner.execute(f"DROP TABLE orders.{table}{last}".encode())
    with Writers(database, 8) as before:
        time.sleep(2)
    with Writers(database, 8) as during:
        results = keep(database)
    assert not before.failures
    assert not during.failures
    assert {result.what for result in results if result.outcome == "made"} >= {f"orders.{table}" for table in FAMILY}
    assert [result for result in results if result.outcome == "failed"] == []
    dropped = [result.what.split("_p")[0] for result in results if result.outcome == "dropped"]
    assert [table for table in dropped if table not in TRAIL] == [f"orders.{table}" for table in FAMILY]
    assert sorted(table for table in dropped if table in TRAIL) == sorted(TRAIL)
    assert during.longest <= 3 * before.longest + max(partitions.LOCK_TIMEOUTS) / 1000
    kept = {row[0] for row in owner.execute("SELECT id FROM orders.orders WHERE state = 'confirmed'").fetchall()}
    assert kept == {*before.placed, *during.placed}
    assert one(owner, "SELECT count(*) FROM orders.order_items") == len(kept)
    assert one(owner, "SELECT count(*) FROM orders.outbox_events WHERE type = 'order.created'") == len(kept)
    assert one(owner, "SELECT count(*) FROM audit.row_changes WHERE table_name = 'orders.orders' AND operation = 'INSERT'") == len(kept)
    assert one(owner, "SELECT count(*) FROM ops.partition_exits WHERE dropped_at IS NOT NULL") == len(FAMILY) + len(TRAIL)
    assert plan_partitions(database.database) == partitions.Plan([], [])


@pytest.mark.parametrize("table", TRAIL)
def test_nobody_waits_while_a_month_of_the_trail_waits_for_a_reader(pg_service: Callable[[str], ServiceDatabase], table: str) -> None:
    """Nothing references these, so they are detached concurrently: behind a reader's lock, which no writer then stands behind."""
    database = pg_service("order")
    add_old_trail(database)
    owner, app, ops, reader = (database.connect(role) for role in ("owner", "app", "ops", None))
    run = threading.Thread(target=keep, args=(database,))
    with reader.transaction():
        reader.execute(f"SELECT FROM {table}".encode())
        run.start()
        deadline = time.monotonic() + 60
        while not one(owner, f"SELECT count(*) FROM pg_inherits WHERE inhparent = '{table}'::regclass AND inhdetachpending"):
            assert time.monotonic() < deadline, "it was never half detached"
        for client in (app, ops):
            client.execute("SET lock_timeout = '50ms'")
        for user in range(8):
            place(app, user, "key")
            ops.execute("SELECT audit.seal()")
        assert run.is_alive()
    run.join(60)
    assert plan_partitions(database.database).leaving == []


def test_writers_who_take_the_child_first_do_not_keep_a_month_from_going(database: ServiceDatabase) -> None:
    """The next try locks what this one could not get first, so their order becomes ours."""
    owner = database.connect("owner")
    owner.execute("CREATE TABLE orders.parcels (order_id uuid REFERENCES orders.orders (id))")
    owner.execute("DELETE FROM ops.retention WHERE table_name <> 'orders.orders'")
    end = threading.Event()

    def write(connection: Connection) -> None:
        while not end.is_set():
            with connection.transaction():
                connection.execute("LOCK TABLE orders.parcels IN ROW EXCLUSIVE MODE")
                time.sleep(0.02)
                connection.execute("LOCK TABLE orders.orders IN ROW EXCLUSIVE MODE")

    writers = [threading.Thread(target=write, args=(database.connect("owner"),)) for _ in range(8)]
    for writer in writers:
        writer.start()
    try:
        results = keep(database)
    finally:
        end.set()
    for writer in writers:
        writer.join()
    assert {result.outcome for result in results} == {"dropped"}


def test_a_run_that_was_killed_while_detaching_is_finished_by_the_next(database: ServiceDatabase) -> None:
    """A reader's old snapshot holds the detach between its two halves; there the run dies."""
    owner, reader = database.connect("owner"), database.connect("owner")
    reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    reader.execute("SELECT count(*) FROM orders.order_fulfillment")
    pending = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending"
    run = multiprocessing.get_context("fork").Process(target=keep, args=(database,))
    run.start()
    deadline = time.monotonic() + 60
    while not one(owner, pending):
        assert time.monotonic() < deadline, "nothing was ever half detached"
    run.kill()
    run.join()
    assert one(owner, pending) == 1
    assert {leaving.state for leaving in plan_partitions(database.database).leaving} == {"attached", "detaching"}

    reader.execute("ROLLBACK")
    assert {result.outcome for result in keep(database)} == {"dropped"}
    assert plan_partitions(database.database).leaving == []
    assert one(owner, "SELECT count(*) FROM orders.orders") == 0


def test_what_leaves_is_in_its_file_first(database: ServiceDatabase, tmp_path: Path) -> None:
    """Every row of every table of the family; the record says which file has them."""
    keep(database, tmp_path)
    files = (
        database.connect("owner").execute("SELECT archive FROM ops.partition_exits WHERE table_name LIKE %s", ["orders.order%"]).fetchall()
    )
    assert {path.name for path in tmp_path.iterdir()} == {name.rsplit("/", 1)[1] for (name,) in files}
    lines = {path.name.split("_p")[0]: gzip.decompress(path.read_bytes()).splitlines() for path in tmp_path.iterdir()}
    assert {table: len(found) - 1 for table, found in lines.items()} == {
        "orders.orders": 200, "orders.order_items": 200, "orders.order_notes": 0,
        "orders.order_status_history": 0, "orders.order_fulfillment": 0,
    }  # fmt: skip


def test_what_somebody_detached_by_hand_is_left_alone(database: ServiceDatabase) -> None:
    """It was taken off on purpose: neither dropped nor made again."""
    owner = database.connect("owner")
    name = plan_partitions(database.database).leaving[0].partition
    owner.execute(f"ALTER TABLE orders.order_fulfillment DETACH PARTITION {name}".encode())
    assert name not in {result.what for result in keep(database)}
    assert one(owner, f"SELECT count(*) FROM {name}") == 0


def test_a_month_of_the_outbox_stays_while_a_delivery_points_into_it(database: ServiceDatabase) -> None:
    """And goes once that is done."""
    owner, superuser = database.connect("owner"), database.connect(None)
    month = "date_trunc('month', now(), 'UTC') - interval '5 months'"
    bounds = superuser.execute(f"SELECT {month}, ({month}) + interval '31 days'".encode()).fetchone()
    assert bounds is not None
    owner.execute(
        f"CREATE TABLE orders.outbox_p_old PARTITION OF orders.outbox_events FOR VALUES FROM ('{bounds[0]}') TO ('{bounds[1]}')".encode()
    )
    superuser.execute("SET session_replication_role = replica")
    superuser.execute(
        "INSERT INTO orders.outbox_deliveries (event_id, event_created_at, key_seq, run_at, priority, is_waiting, consumer)"
        " VALUES (ops.new_id(), %s, 1, now(), 5, FALSE, 'mail')",
        [bounds[0]],
    )
    ((failed,),) = [[result] for result in keep(database) if "outbox" in result.what]
    assert failed.outcome == "failed"
    assert "open deliveries or dead letters" in failed.note
    superuser.execute("DELETE FROM orders.outbox_deliveries")
    assert [result.outcome for result in keep(database)] == ["dropped"]


def test_a_month_that_a_consumer_comes_to_while_it_leaves_is_dropped_by_no_later_run(
    database: ServiceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back-filled between the release and the detach: attached again, as the hint says, the consumer gets the event."""
    owner, ops, app = (database.connect(role) for role in ("owner", "ops", "app"))
    owner.execute("DELETE FROM ops.retention WHERE table_name <> 'orders.outbox_events'")
    start, end = one(owner, "SELECT ARRAY[m, m + interval '1 month'] FROM date_trunc('month', now() - interval '5 months', 'UTC') AS m")
    owner.execute(f"CREATE TABLE orders.outbox_old PARTITION OF orders.outbox_events FOR VALUES FROM ('{start}') TO ('{end}')".encode())
    superuser = database.connect(None)
    superuser.execute("SET session_replication_role = replica")
    superuser.execute(
        "INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key, key_seq, epoch, xid, created_at)"
        " VALUES ('thing', '1', 'thing.moved', '{}', 'k', 1, 1, '1', %s)",
        [start],
    )
    detach = partitions._detach

    def come_late(*arguments: Any) -> None:
        ops.execute("SELECT orders.register_outbox_consumer('late')")
        detach(*arguments)

    monkeypatch.setattr(partitions, "_detach", come_late)
    for _ in range(2):
        (failed,) = keep(database)
        assert failed.outcome == "failed"
        assert "ATTACH PARTITION" in failed.note

    claim = "SELECT type, lease_token, event_id FROM orders.claim_outbox_events('late', 'w')"
    app.add_notice_handler(lambda notice: warnings.append(str(notice.sqlstate)))
    warnings = list[str]()
    assert app.execute(claim.encode()).fetchall() == []
    assert warnings == ["01000"]
    assert one(owner, "SELECT errors -> -1 ->> 'code' FROM orders.outbox_deliveries") == "event_missing"

    owner.execute(f"ALTER TABLE orders.outbox_events ATTACH PARTITION orders.outbox_old FOR VALUES FROM ('{start}') TO ('{end}')".encode())
    owner.execute("UPDATE orders.outbox_deliveries SET run_at = now()")
    ((kind, token, event),) = app.execute(claim.encode()).fetchall()
    assert kind == "thing.moved"
    app.execute("SELECT orders.complete_outbox_events('late', %s, %s)", [token, [event]])
    assert [result.outcome for result in keep(database)] == ["dropped"]


def test_a_month_of_the_trail_goes_once_it_is_sealed_and_retired(pg_service: Callable[[str], ServiceDatabase]) -> None:
    """What remains of the chain verifies."""
    database = pg_service("product")
    owner, superuser = database.connect("owner"), database.connect(None)
    owner.execute("UPDATE ops.retention SET keep_months = 1")
    start = one(owner, "SELECT date_trunc('month', now(), 'UTC') - interval '3 months'")
    for table in ("row_changes", "seal_leaves"):
        name = f"audit.{table}_p{start.astimezone().strftime('%Y_%m')}"
        owner.execute(f"CREATE TABLE {name} PARTITION OF audit.{table} FOR VALUES FROM ('{start}') TO ('{start.replace(day=28)}')".encode())
    superuser.execute(
        "INSERT INTO audit.row_changes (at, epoch, table_name, operation, row_key, changes)"
        " SELECT %s + n * interval '1 second', 1, 'product.product_offers', 'DELETE', n, '{}' FROM generate_series(1, 5) AS n",
        [start],
    )
    assert {result.outcome for result in keep(database)} == {"failed"}
    while not one(superuser, "SELECT audit.seal()"):
        time.sleep(0.1)
    assert {result.outcome for result in keep(database)} == {"dropped"}
    assert superuser.execute("SELECT * FROM audit.verify()").fetchall() == []
    assert one(superuser, "SELECT change_count FROM audit.retired") == 5


CLEANUPS = [
    ("order", "orders.cleanup_expired_orders()"),
    ("order", "orders.cleanup_idempotency_keys()"),
    ("payment", "payment.cleanup_expired_payments()"),
    ("inventory", "inventory.cleanup_expired_reservations()"),
]


@pytest.mark.parametrize(("service", "call"), CLEANUPS)
def test_every_cleanup_makes_months_ahead_and_waits_for_none(pg_service: Callable[[str], ServiceDatabase], service: str, call: str) -> None:
    """Its own work gets done where a month can't be made: behind somebody's lock, or beside a table that has the name."""
    database = pg_service(service)
    owner, app, warnings = database.connect("owner"), database.connect("app"), list[str]()
    app.add_notice_handler(lambda notice: warnings.append(str(notice.message_primary)))
    last = "SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'audit.row_changes'::regclass"
    (month,) = owner.execute(last).fetchone() or ("",)
    owner.execute(f"DROP TABLE {month}".encode())

    with owner.transaction():
        owner.execute("LOCK TABLE ONLY audit.row_changes IN SHARE UPDATE EXCLUSIVE MODE")
        app.execute(f"SELECT {call}".encode())
    owner.execute(f"CREATE TABLE {month} (i integer)".encode())
    app.execute(f"SELECT {call}".encode())
    assert [warning.partition(" (")[0] for warning in warnings] == ["partitions were not made"] * 2

    owner.execute(f"DROP TABLE {month}".encode())
    app.execute(f"SELECT {call}".encode())
    assert owner.execute(last).fetchone() == (month,)
    assert len(warnings) == 2


def test_every_cleanup_is_asked() -> None:
    """One that is new makes months ahead, too."""
    from dbkit.project.manifest import find_project

    root = find_project(None).root
    found = {path.name.partition(".")[0] for path in root.glob("schemas/*/functions/cleanup_*.sql.j2")}

    assert found == {call.partition(".")[2].partition("(")[0] for _, call in CLEANUPS}
