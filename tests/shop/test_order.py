"""What the order service and its outbox promise to several sessions at once.

`pg_service("order")` gives a migrated database of its own; `connect(role)` logs in as that role.
What one session can show is in tests/shop/order/*.sql.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, LiteralString, Protocol, TypeVar
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Row = dict[str, Any]
Connection = psycopg.Connection[Any]
Answer = TypeVar("Answer")

LAMP = {"product_id": 1, "product_name": "Lamp", "quantity": 1, "unit_price": 5000}
DEADLINE_SECONDS = 30


class Database(Protocol):
    """What the fixture gives."""

    def connect(self, role: str | None = "app") -> Connection:
        """Log in; None is the superuser."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """A database whose sessions give up rather than hang."""

    database: Database

    def connect(self, role: str | None = "app") -> Connection:
        connection = self.database.connect(role)
        connection.execute(f"SET statement_timeout = '{DEADLINE_SECONDS}s'")
        return connection


@pytest.fixture
def db(pg_service: Callable[[str], Database]) -> Database:
    """Give an order database without seeds."""
    database = Bounded(pg_service("order"))
    # The first call in a database writes a row, which others then wait for.
    database.connect("owner").execute("SELECT ops.cluster_epoch()")
    return database


@pytest.fixture
def owner(db: Database) -> Connection:
    """Give a session of the owner, who may do by hand what the functions do."""
    return db.connect("owner")


def rows(connection: Connection, query: LiteralString, *parameters: object) -> list[Row]:
    """Run one statement and name its columns."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters).fetchall()


def value(connection: Connection, query: LiteralString, *parameters: object) -> Any:
    """Run one statement that answers with one value."""
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row[0]


def place(connection: Connection, user: int, key: str, items: Sequence[dict[str, Any]] = (LAMP,)) -> Row:
    """Place an order of the user."""
    return rows(
        connection,
        "SELECT * FROM orders.create_order(%s, %s, 'USD', %s, 'Ada', %s, 'GB', 'ada@example.com')",
        user,
        key,
        Jsonb(list(items)),
        Jsonb({"line_1": "1 Road"}),
    )[0]


def emit(connection: Connection, key: str, number: int = 1, priority: int = 5) -> None:
    """Write an event about nothing."""
    connection.execute(
        "INSERT INTO orders.outbox_events"
        " (aggregatetype, aggregateid, type, payload, partition_key, priority)"
        " VALUES ('thing', %s, 'thing.moved', '{}', %s, %s)",
        [str(number), key, priority],
    )


def register(connection: Connection, name: str, **settings: str | int) -> int:
    """Register a consumer of every event; how many it was given of old."""
    arguments = sql.SQL(", ").join(
        [
            sql.Literal(name),
            *(sql.SQL("{} => {}").format(sql.Identifier(f"p_{k}"), v) for k, v in settings.items()),
        ]
    )
    row = connection.execute(sql.SQL("SELECT orders.register_outbox_consumer({})").format(arguments)).fetchone()
    assert row is not None
    return int(row[0])


def claim(connection: Connection, worker: str, batch: int = 100) -> list[Row]:
    """Claim events of the consumer `t`."""
    return rows(connection, "SELECT * FROM orders.claim_outbox_events('t', %s, %s)", worker, batch)


def complete(connection: Connection, event: Row) -> bool:
    """Complete one event of the consumer `t`."""
    return bool(
        value(
            connection,
            "SELECT is_completed FROM orders.complete_outbox_events('t', %s, %s)",
            event["lease_token"],
            [event["event_id"]],
        )
    )


def fail(connection: Connection, event: Row) -> str:
    """Fail one event of the consumer `t`."""
    return str(
        value(
            connection,
            "SELECT outcome FROM orders.fail_outbox_event('t', %s, %s, 'http.503')",
            event["lease_token"],
            event["event_id"],
        )
    )


def expire_lease(owner: Connection, event: Row) -> None:
    """Let the lease of one event run out."""
    owner.execute(
        "UPDATE orders.outbox_deliveries SET run_at = clock_timestamp() WHERE event_id = %s AND lease_token = %s",
        [event["event_id"], event["lease_token"]],
    )


def at_once(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """Run the calls in threads that start together, and give their answers in order."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Answer]) -> Answer:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def wait_until_blocked(observer: Connection, pid: int) -> None:
    """Return once the session waits for another's lock."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not value(observer, "SELECT pg_blocking_pids(%s) <> '{}'", pid):
        assert time.monotonic() < deadline, "the session was never blocked"


# Orders


def test_five_pending_orders_survive_forty_attempts(db: Database) -> None:
    """However many try at once, a user ends with five pending orders; the rest are told why."""
    sessions = [db.connect() for _ in range(40)]

    answers = at_once([partial(place, s, 7, f"key {n}") for n, s in enumerate(sessions)])

    assert Counter(a["outcome"] for a in answers) == {"created": 5, "refused": 35}
    assert {v["code"] for a in answers if a["violations"] for v in a["violations"]} == {"SH005"}
    assert value(sessions[0], "SELECT count(*) FROM orders.orders WHERE user_id = 7") == 5


def test_a_slot_that_is_given_back_goes_to_whoever_waits(db: Database, owner: Connection) -> None:
    """A sixth order waits for a cancellation that is under way, then takes its slot."""
    app, observer = db.connect(), db.connect("owner")
    placed = [place(app, 7, str(n)) for n in range(5)]
    with ThreadPoolExecutor() as pool:
        with app.transaction():
            app.execute("SELECT orders.cancel_order(7, %s)", [placed[2]["order_id"]])
            # create_order() would refuse on sight of five. The slot decides: ask it directly.
            late = pool.submit(insert_by_hand, owner, 7)
            wait_until_blocked(observer, owner.info.backend_pid)
        late.result()

    assert value(app, "SELECT count(*) FROM orders.orders WHERE state = 'pending'") == 5


def insert_by_hand(owner: Connection, user: int) -> None:
    """Write an order and its line without create_order()."""
    with owner.transaction():
        order = value(
            owner,
            "INSERT INTO orders.orders (user_id, currency, item_count, subtotal, discount, tax,"
            " total, recipient_name, shipping_address, shipping_country, contact_email)"
            " VALUES (%s, 'USD', 1, 5000, 0, 0, 5000, 'A', '{}', 'GB', 'a@example.com')"
            " RETURNING id",
            user,
        )
        owner.execute(
            "INSERT INTO orders.order_items"
            " (order_id, line_number, product_id, product_name, quantity, unit_price)"
            " VALUES (%s, 1, 1, 'Lamp', 1, 5000)",
            [order],
        )


def test_a_replayed_request_makes_one_order(db: Database) -> None:
    """Twelve callers with one key and one body get one order."""
    sessions = [db.connect() for _ in range(12)]

    answers = at_once([partial(place, s, 7, "one") for s in sessions])

    assert Counter(a["outcome"] for a in answers) == {"created": 1, "replayed": 11}
    assert len({(a["order_id"], a["order_number"], a["total"]) for a in answers}) == 1
    assert value(sessions[0], "SELECT count(*) FROM orders.orders") == 1


def test_another_body_under_a_used_key_is_refused(db: Database) -> None:
    """A key stands for one request: another body raises, and writes nothing."""
    app = db.connect()
    place(app, 7, "one")

    with pytest.raises(psycopg.Error) as refusal:
        place(app, 7, "one", [LAMP | {"quantity": 2}])

    assert refusal.value.sqlstate == "SH014"
    assert refusal.value.diag.constraint_name == "idempotency_request"
    assert value(app, "SELECT count(*) FROM orders.orders") == 1


def test_totals_are_proven_at_commit(owner: Connection) -> None:
    """An order whose lines do not add up can't be committed, whoever wrote it."""
    owner.execute("BEGIN")
    owner.execute(
        "INSERT INTO orders.orders (user_id, currency, item_count, subtotal, discount, tax,"
        " total, recipient_name, shipping_address, shipping_country, contact_email)"
        " VALUES (7, 'USD', 1, 5000, 0, 0, 5000, 'A', '{}', 'GB', 'a@example.com')"
    )

    with pytest.raises(psycopg.Error) as refusal:
        owner.execute("COMMIT")

    assert refusal.value.sqlstate == "SH008"


def test_sweepers_share_the_work(db: Database, owner: Connection) -> None:
    """Four sweepers at once expire every overdue order exactly once, and wait for nobody."""
    app = db.connect()
    for user in range(1, 5):
        for n in range(5):
            place(app, user, str(n))
    owner.execute("UPDATE orders.orders SET expires_at = now()")
    sessions = [db.connect("ops") for _ in range(4)]

    def sweep(session: Connection) -> int:
        total = 0
        while count := int(value(session, "SELECT orders.cleanup_expired_orders(3)")):
            total += count
        return total

    counts = at_once([partial(sweep, s) for s in sessions])

    assert sum(counts) == 20
    assert value(owner, "SELECT count(*) FROM orders.orders WHERE state = 'expired'") == 20
    assert value(owner, "SELECT count(*) FROM orders.order_pending_slots") == 0
    assert value(owner, "SELECT count(*) FROM orders.outbox_events WHERE type = 'order.expired'") == 20


def test_one_of_confirming_and_cancelling_wins(db: Database) -> None:
    """Confirming and cancelling at once end in a path that there is, each step told once."""
    first, second = db.connect(), db.connect()
    order = place(first, 7, "one")["order_id"]

    at_once(
        [
            partial(outcome_of, first, "SELECT orders.confirm_order(7, %s)", order),
            partial(outcome_of, second, "SELECT orders.cancel_order(7, %s)", order),
        ]
    )

    path = [
        r["to_state"]
        for r in rows(
            first,
            "SELECT to_state FROM orders.order_status_history WHERE order_id = %s ORDER BY order_version",
            order,
        )
    ]
    assert path in (["pending", "confirmed", "cancelled"], ["pending", "cancelled"])


def outcome_of(connection: Connection, query: LiteralString, *parameters: object) -> str:
    """Give the SQLSTATE of a statement, 00000 where it succeeds."""
    try:
        connection.execute(query, parameters)
    except psycopg.Error as error:
        return error.sqlstate or "none"
    return "00000"


# The outbox


def test_two_workers_never_hold_one_key(db: Database, owner: Connection) -> None:
    """Of what eight workers hold at any time, no two events are of one key."""
    register(owner, "t")
    for n in range(1, 9):
        for key in range(6):
            emit(owner, f"key {key}", n)
    held: set[str] = set()
    guard = threading.Lock()

    def work(session: Connection, name: str) -> int:
        done = 0
        while value(session, "SELECT sum(open_count) FROM orders.outbox_health()"):
            events = claim(session, name, 3)
            with guard:
                assert held.isdisjoint(e["partition_key"] for e in events)
                held.update(e["partition_key"] for e in events)
            for event in events:
                with guard:
                    held.remove(event["partition_key"])
                assert complete(session, event)
                done += 1
        return done

    sessions = [db.connect() for _ in range(8)]
    counts = at_once([partial(work, s, f"w{n}") for n, s in enumerate(sessions)])

    assert sum(counts) == 48


@pytest.mark.parametrize("seed", [1, 2])
def test_order_within_a_key_survives_failures_and_dead_workers(db: Database, owner: Connection, seed: int) -> None:
    """Workers that fail and die at random complete every event once, each key in its order."""
    register(owner, "t", maximum_attempts=10_000, backoff_base="1 millisecond", backoff_cap="2 ms")
    for n in range(1, 13):
        for key in range(5):
            emit(owner, f"key {key}", n, priority=(n * 7 + key) % 11)
    completed: dict[str, list[int]] = defaultdict(list)
    guard = threading.Lock()
    chance = random.Random(seed)  # noqa: S311
    deadline = time.monotonic() + DEADLINE_SECONDS

    def work(session: Connection, hand: Connection, name: str) -> None:
        while value(session, "SELECT sum(open_count) FROM orders.outbox_health()"):
            assert time.monotonic() < deadline
            for event in claim(session, name, 3):
                with guard:
                    luck = chance.random()
                if luck < 0.2:
                    assert fail(session, event) == "retry"
                elif luck < 0.4:
                    expire_lease(hand, event)
                else:
                    # The transaction keeps the list and the completion together.
                    with guard, session.transaction():
                        if complete(session, event):
                            completed[event["partition_key"]].append(int(event["aggregateid"]))

    sessions = [(db.connect(), db.connect("owner")) for _ in range(4)]
    at_once([partial(work, s, h, f"w{n}") for n, (s, h) in enumerate(sessions)])

    assert dict(completed) == {f"key {key}": list(range(1, 13)) for key in range(5)}
    assert value(owner, "SELECT count(*) FROM orders.outbox_deliveries") == 0


def test_leases_are_told_apart_by_token(db: Database, owner: Connection) -> None:
    """Two workers of one name do not complete each other's events."""
    first, second = db.connect(), db.connect()
    register(owner, "t")
    emit(owner, "a")
    emit(owner, "b")
    mine, other = claim(first, "w", 1)[0], claim(second, "w", 1)[0]

    assert not complete(first, other | {"lease_token": mine["lease_token"]})
    assert complete(first, mine)


def test_a_worker_believed_dead_completes_nothing(db: Database, owner: Connection) -> None:
    """Whose lease went to another can neither complete, nor fail, nor extend."""
    zombie, heir = db.connect(), db.connect()
    register(owner, "t")
    emit(owner, "key")
    lost = claim(zombie, "zombie")[0]
    expire_lease(owner, lost)

    inherited = claim(heir, "heir")[0]

    assert inherited["event_id"] == lost["event_id"]
    assert inherited["attempt"] == 2
    assert not complete(zombie, lost)
    assert fail(zombie, lost) == "refused"
    assert not rows(
        zombie,
        "SELECT * FROM orders.extend_outbox_lease('t', %s, %s)",
        lost["lease_token"],
        [lost["event_id"]],
    )
    assert complete(heir, inherited)


def test_a_late_worker_whose_event_nobody_took_completes_it(db: Database, owner: Connection) -> None:
    """A lease that ran out is still its holder's until another claims."""
    worker = db.connect()
    register(owner, "t")
    emit(owner, "key")
    event = claim(worker, "late")[0]
    expire_lease(owner, event)

    assert complete(worker, event)


def test_within_a_key_the_order_is_that_of_the_commits(db: Database, owner: Connection) -> None:
    """A second writer of a key waits for the first, and only then draws its number."""
    second, observer = db.connect("owner"), db.connect("owner")
    register(owner, "t")
    with ThreadPoolExecutor() as pool:
        with owner.transaction():
            emit(owner, "key", 1)
            late = pool.submit(emit, second, "key", 2)
            wait_until_blocked(observer, second.info.backend_pid)
        late.result()

    assert [
        (r["aggregateid"], r["is_waiting"])
        for r in rows(
            owner,
            "SELECT e.aggregateid, d.is_waiting FROM orders.outbox_events AS e"
            " JOIN orders.outbox_deliveries AS d ON d.event_id = e.id ORDER BY d.key_seq",
        )
    ] == [("1", False), ("2", True)]


def test_an_event_written_while_its_elder_is_completed_is_woken(db: Database, owner: Connection) -> None:
    """Completing waits for whoever is writing behind the event, and wakes what was written."""
    worker, observer = db.connect(), db.connect("owner")
    register(owner, "t")
    emit(owner, "key", 1)
    head = claim(worker, "w")[0]
    with ThreadPoolExecutor() as pool:
        with owner.transaction():
            emit(owner, "key", 2)
            done = pool.submit(complete, worker, head)
            wait_until_blocked(observer, worker.info.backend_pid)
        assert done.result()

    assert [e["aggregateid"] for e in claim(worker, "w")] == ["2"]


def test_an_event_written_after_its_elder_went_does_not_wait(db: Database, owner: Connection) -> None:
    """Writing waits for whoever is completing the last event of the key, and finds it gone."""
    worker, observer = db.connect(), db.connect("owner")
    register(owner, "t")
    emit(owner, "key", 1)
    head = claim(worker, "w")[0]
    with ThreadPoolExecutor() as pool:
        with worker.transaction():
            assert complete(worker, head)
            written = pool.submit(emit, owner, "key", 2)
            wait_until_blocked(observer, owner.info.backend_pid)
        written.result()

    assert [e["aggregateid"] for e in claim(worker, "w")] == ["2"]


def test_claiming_passes_a_key_that_is_being_written_to(db: Database, owner: Connection) -> None:
    """An open transaction that appends to a key does not keep its head from being claimed."""
    worker = db.connect()
    register(owner, "t")
    emit(owner, "key", 1)
    with owner.transaction():
        emit(owner, "key", 2)

        assert [e["aggregateid"] for e in claim(worker, "w")] == ["1"]


def test_claiming_waits_for_no_other_worker(db: Database, owner: Connection) -> None:
    """What an open transaction has claimed is passed over, not waited for."""
    first, second = db.connect(), db.connect()
    register(owner, "t")
    emit(owner, "a", 1)
    emit(owner, "b", 2)
    with first.transaction():
        assert [e["aggregateid"] for e in claim(first, "w1", 1)] == ["1"]

        assert [e["aggregateid"] for e in claim(second, "w2")] == ["2"]


def test_a_new_consumer_gets_every_event_once(db: Database, owner: Connection) -> None:
    """Registering waits for open writers: their events are back-filled, later ones delivered."""
    registrar, observer = db.connect("ops"), db.connect("owner")
    emit(owner, "old", 1)
    with ThreadPoolExecutor() as pool:
        with owner.transaction():
            emit(owner, "open", 2)
            registered = pool.submit(register, registrar, "t")
            wait_until_blocked(observer, registrar.info.backend_pid)
        assert registered.result() == 2
    emit(owner, "new", 3)

    assert sorted(e["aggregateid"] for e in claim(db.connect(), "w")) == ["1", "2", "3"]


def test_an_event_that_can_not_be_done_blocks_its_key_alone(db: Database, owner: Connection) -> None:
    """With block, what was tried in vain stays at the head; other keys go on; no claim looks at it."""
    worker = db.connect()
    register(owner, "t", maximum_attempts=1)
    for n in range(1, 201):
        emit(owner, "poison", n, priority=0)
    emit(owner, "healthy", 1, priority=10)
    poison = claim(worker, "w", 1)[0]

    assert fail(worker, poison) == "blocked"
    assert [e["partition_key"] for e in claim(worker, "w")] == ["healthy"]
    blocked = rows(db.connect("ops"), "SELECT * FROM orders.blocked_partition_keys('t')")
    assert [(b["partition_key"], b["waiting_count"]) for b in blocked] == [("poison", 199)]
    claimable = "SELECT count(*) FROM orders.outbox_deliveries WHERE NOT is_waiting AND died_at IS NULL"
    assert value(owner, claimable) == 1


def test_the_log_gives_late_commits(db: Database, owner: Connection) -> None:
    """A reader with a cursor gets what was written early and committed late."""
    reader, fast = db.connect(), db.connect("owner")
    read: list[str] = []
    cursor: tuple[object, ...] = (0, "0", 0)

    def poll() -> None:
        nonlocal cursor
        for event in rows(reader, "SELECT * FROM orders.read_outbox_log(%s, %s::text::xid8, %s)", *cursor):
            read.append(event["aggregateid"])
            cursor = (event["epoch"], str(event["xid"]), event["key_seq"])

    emit(owner, "first", 0)
    with owner.transaction():
        emit(owner, "slow", 1)
        emit(fast, "fast", 2)
        poll()
        assert read in ([], ["0"])
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(read) < 3:
        assert time.monotonic() < deadline, "an open transaction somewhere in the cluster?"
        poll()

    assert read == ["0", "1", "2"]


def test_placing_and_completing_at_once_deadlocks_nowhere(db: Database, owner: Connection) -> None:
    """Users order, confirm and cancel while workers claim and complete: no deadlock, nothing lost."""
    register(owner, "t")
    stop = threading.Event()
    seen: list[UUID] = []

    def order(session: Connection, user: int) -> None:
        for n in range(6):
            placed = place(session, user, str(n))["order_id"]
            session.execute("SELECT orders.confirm_order(%s, %s)", [user, placed])
            session.execute("SELECT orders.cancel_order(%s, %s)", [user, placed])

    def work(session: Connection) -> None:
        while not stop.is_set() or value(session, "SELECT sum(open_count) FROM orders.outbox_health()"):
            events = claim(session, "w", 20)
            if not events:
                continue
            answers = rows(
                session,
                "SELECT * FROM orders.complete_outbox_events('t', %s, %s)",
                events[0]["lease_token"],
                [e["event_id"] for e in events],
            )
            seen.extend(a["event_id"] for a in answers if a["is_completed"])

    with ThreadPoolExecutor() as pool:
        workers = [pool.submit(work, db.connect()) for _ in range(2)]
        try:
            at_once([partial(order, db.connect(), user) for user in range(1, 4)])
        finally:
            stop.set()
        for worker in workers:
            worker.result()

    events = {r["id"] for r in rows(owner, "SELECT id FROM orders.outbox_events")}
    assert len(seen) == len(set(seen)) == 54
    assert set(seen) == events


# Privileges: as the roles log in


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO orders.orders (user_id) VALUES (1)",
        "UPDATE orders.orders SET state = 'confirmed'",
        "DELETE FROM orders.orders",
        "TRUNCATE orders.orders CASCADE",
        "INSERT INTO orders.order_items (order_id) VALUES (gen_random_uuid())",
        "SELECT recipient_name FROM orders.orders",
        "SELECT body FROM orders.order_notes",
        "SELECT tracking_number FROM orders.order_fulfillment",
        "SELECT * FROM orders.idempotency_keys",
        "INSERT INTO orders.outbox_events (type) VALUES ('forged')",
        "DELETE FROM orders.outbox_deliveries",
        "SELECT * FROM orders.outbox_dead_letters",
        "SELECT * FROM audit.row_changes",
        "SELECT * FROM ops.privacy_keys",
        "SELECT orders.insert_order(1, 'USD', '[]', 'A', '{}', 'GB', 'a', 'b')",
        "SELECT orders.expire_order(gen_random_uuid())",
        "SELECT orders.register_outbox_consumer('spy')",
        "SELECT orders.requeue_dead_letters('t')",
        "CREATE TABLE orders.mine (id bigint)",
        "ALTER TABLE orders.orders DISABLE TRIGGER ALL",
    ],
)
def test_the_app_is_refused(db: Database, statement: LiteralString) -> None:
    """The app writes through functions only, and reads neither persons in bulk nor the trail."""
    assert outcome_of(db.connect("app"), statement) == "42501"


@pytest.mark.parametrize("role", ["app", "readonly", "ops"])
def test_the_figures_of_orders_are_readable(db: Database, role: str) -> None:
    """What is not personal may be read."""
    assert outcome_of(db.connect(role), "SELECT id, state, total FROM orders.orders") == "00000"
    assert outcome_of(db.connect(role), "SELECT * FROM orders.order_items") == "00000"


@pytest.mark.parametrize("role", ["readonly", "ops"])
def test_only_the_app_places_orders(db: Database, role: str) -> None:
    """Readers and operators do not order."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        place(db.connect(role), 7, "one")


def test_public_may_execute_nothing(db: Database) -> None:
    """Every function of the service was taken from PUBLIC."""
    open_functions = rows(
        db.connect(None),
        "SELECT p.oid::regprocedure::text AS name FROM pg_proc AS p"
        " WHERE p.pronamespace = 'orders'::regnamespace"
        " AND has_function_privilege('public', p.oid, 'EXECUTE')",
    )

    assert open_functions == []


def test_every_definer_function_pins_its_search_path(db: Database) -> None:
    """A function with its owner's rights looks nowhere that its caller chose."""
    loose = rows(
        db.connect(None),
        "SELECT p.oid::regprocedure::text AS name FROM pg_proc AS p"
        " WHERE p.pronamespace = 'orders'::regnamespace AND p.prosecdef"
        " AND NOT coalesce(p.proconfig @> ARRAY['search_path=orders, pg_temp'], FALSE)",
    )

    assert loose == []


# Plans and partitions


@pytest.mark.parametrize(
    ("index", "query"),
    [
        (
            "user_id_id_idx",
            "SELECT id FROM orders.orders WHERE user_id = 7 AND id < ops.new_id() ORDER BY id DESC LIMIT 20",
        ),
        (
            "expires_at_idx",
            "SELECT id FROM orders.orders WHERE state = 'pending' AND expires_at <= now() ORDER BY expires_at LIMIT 100",
        ),
        (
            "outbox_deliveries_consumer_priority_run_at_key_seq_idx",
            (
                "SELECT event_id FROM orders.outbox_deliveries WHERE consumer = 't' AND priority = 5 AND run_at <= now()"
                " AND NOT is_waiting AND died_at IS NULL ORDER BY run_at, key_seq LIMIT 100"
            ),
        ),
        (
            "outbox_deliveries_consumer_partition_key_key_seq_key",
            "SELECT event_id FROM orders.outbox_deliveries WHERE consumer = 't' AND partition_key = 'k' ORDER BY key_seq DESC LIMIT 1",
        ),
        (
            "epoch_xid_key_seq_idx",
            "SELECT id FROM orders.outbox_events WHERE (epoch, xid, key_seq) > (1, '3', 7) ORDER BY epoch, xid, key_seq LIMIT 100",
        ),
    ],
)
def test_a_query_of_the_service_has_its_index(owner: Connection, index: str, query: LiteralString) -> None:
    """Each query that an index was made for can use it without sorting."""
    owner.execute("SET enable_seqscan = off")
    owner.execute("SET enable_bitmapscan = off")

    plan = "\n".join(r["QUERY PLAN"] for r in rows(owner, "EXPLAIN " + query))

    # Partitions name their indexes after themselves, with the same ending.
    assert index in plan, plan
    assert "Sort" not in plan.replace("Sort Key", ""), plan


def test_a_look_up_by_id_touches_one_partition(db: Database, owner: Connection) -> None:
    """The key is in the order of time: of all months, an id leads to one."""
    order = place(db.connect(), 7, "one")["order_id"]

    plan = rows(owner, "EXPLAIN SELECT * FROM orders.orders WHERE id = %s", order)

    assert len([r for r in plan if "Scan" in r["QUERY PLAN"]]) == 1


def test_a_month_goes_child_first(db: Database, owner: Connection) -> None:
    """Of a month without open orders, each table's partition can be detached and dropped."""
    order = place(db.connect(), 7, "one")["order_id"]
    owner.execute("SELECT orders.cancel_order(7, %s)", [order])
    month = value(
        owner,
        "SELECT right(tableoid::regclass::text, 7) FROM orders.orders WHERE id = %s",
        order,
    )
    children = ("order_items", "order_status_history", "order_notes", "order_fulfillment", "orders")
    for table in children:
        names = {
            "parent": sql.Identifier("orders", table),
            "child": sql.Identifier("orders", f"{table}_p{month}"),
        }
        detach = sql.SQL("ALTER TABLE {parent} DETACH PARTITION {child} CONCURRENTLY")
        owner.execute(detach.format(**names))
        owner.execute(sql.SQL("DROP TABLE {child}").format(**names))

    assert value(owner, "SELECT count(*) FROM orders.orders") == 0
    assert value(owner, "SELECT sum(partitions_made) FROM ops.create_all_partitions()") >= 5
