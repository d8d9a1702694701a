"""What the inventory service promises when many ask at once."""

from __future__ import annotations

import itertools
import random
import re
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
RESERVE = "SELECT * FROM inventory.reserve_inventory(%s, %s, %s)"
CONFIRM = "SELECT * FROM inventory.confirm_reservation(%s)"
RELEASE = "SELECT * FROM inventory.release_reservation(%s)"
CLEANUP = "SELECT inventory.cleanup_expired_reservations(%s)"
WAITS = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
FIGURES = "SELECT available, reserved, total FROM inventory.inventory_stock WHERE product_id = %s"

APP_FUNCTIONS = {
    "adjust_stock",
    "cleanup_expired_reservations",
    "confirm_reservation",
    "low_stock",
    "receive_stock",
    "refresh_alerts",
    "release_reservation",
    "reserve_inventory",
    "rules",
    "supplier_performance",
}
OPS_FUNCTIONS = {
    "cleanup_expired_reservations",
    "low_stock",
    "rebalance_stock",
    "reconcile_inventory",
    "refresh_alerts",
    "rules",
    "set_stock_buckets",
    "supplier_performance",
}


class Database(Protocol):
    """A migrated database of one service, as the fixture pg_service makes it."""

    def connect(self, role: str | None = "app") -> Connection:
        """Log in as a role, in autocommit mode."""
        ...


@dataclass(frozen=True, slots=True)
class Stock:
    """A database with the inventory service, and how to fill and check it."""

    db: Database
    owner: Connection

    def add(self, product: int, quantity: int, buckets: int = 1) -> None:
        """Put units of a new product on hand."""
        self.owner.execute(
            "INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)"
            " VALUES ('tested', 'Tested', 0) ON CONFLICT DO NOTHING"
        )
        self.owner.execute(
            "INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)"
            " SELECT %s, %s, 'Tested', id FROM inventory.inventory_categories LIMIT 1",
            [product, f"tested-{product}"],
        )
        self.owner.execute("SELECT inventory.set_stock_buckets(%s, %s)", [product, buckets])
        if quantity:
            self.owner.execute("SELECT inventory.receive_stock(%s, ops.new_id(), %s)", [product, quantity])

    def figures(self, product: int) -> tuple[Any, ...]:
        """Read what is available, reserved and on hand."""
        return one(self.owner.execute(FIGURES, [product]))

    def make_overdue(self, order: uuid.UUID) -> None:
        """Move the end of a reservation into the past."""
        self.owner.execute(
            "UPDATE inventory.inventory_reservations SET expires_at = now() WHERE order_id = %s",
            [order],
        )

    def clients(self, number: int) -> list[Connection]:
        """Log the app in several times; a client that hangs fails."""
        clients = [self.db.connect("app") for _ in range(number)]
        for client in clients:
            client.execute("SET statement_timeout = '60s'")
        return clients


@pytest.fixture
def stock(pg_service: Callable[[str], Database]) -> Iterable[Stock]:
    """Whatever a test does, the counters agree with what they count afterwards, and nobody was a deadlock's victim."""
    db = pg_service("inventory")
    stock = Stock(db, db.connect("owner"))
    yield stock
    findings = stock.owner.execute("SELECT * FROM inventory.reconcile_inventory()").fetchall()
    assert findings == []
    assert one(stock.owner.execute(DEADLOCKS)) == (0,)


def one(cursor: psycopg.Cursor[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Fetch the row that must be there."""
    row = cursor.fetchone()
    assert row is not None
    return row


def answer(client: Connection, query: str, *arguments: object) -> dict[str, Any]:
    """Call a function that answers with one row."""
    with client.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query, arguments).fetchone()
    assert row is not None
    return row


def reserve(client: Connection, user: int, items: dict[int, int], order: uuid.UUID | None = None) -> dict[str, Any]:
    """Reserve items (product: quantity) in the order in which they are given."""
    request = [{"product_id": p, "quantity": q} for p, q in items.items()]
    return answer(client, RESERVE, order or uuid.uuid4(), user, Jsonb(request))


def at_once(work: Callable[[int, Connection], T], clients: list[Connection]) -> list[T]:
    """Let every client begin at the same moment, each in a thread of its own."""
    barrier = threading.Barrier(len(clients))

    def run(number: int) -> T:
        barrier.wait(30)
        return work(number, clients[number])

    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(run, range(len(clients))))


def wait_until_blocked(watcher: Connection, client: Connection) -> None:
    """Return when a client's statement waits for somebody else's lock."""
    deadline = time.monotonic() + 30
    while not one(watcher.execute(WAITS, [client.info.backend_pid]))[0]:
        assert time.monotonic() < deadline, "the statement did not come to wait"


@pytest.mark.parametrize("buckets", [1, 16])
def test_two_hundred_clients_sell_exactly_the_hundred_units_there_are(stock: Stock, buckets: int) -> None:
    """Nothing is sold twice, and nobody is sent away while there is a unit."""
    stock.add(1, 100, buckets)

    def buy(user: int, client: Connection) -> bool:
        order = uuid.uuid4()
        reservation = reserve(client, user, {1: 1}, order)
        if not reservation["is_reserved"]:
            assert reservation["items"][0]["outcome"] == "sold_out"
            return False
        return bool(answer(client, CONFIRM, order)["is_confirmed"])

    assert sum(at_once(buy, stock.clients(200))) == 100
    assert stock.figures(1) == (0, 0, 0)
    sold = stock.owner.execute("SELECT -sum(quantity), count(DISTINCT reference) FROM inventory.inventory_movements WHERE kind = 'sale'")
    assert one(sold) == (100, 100)


def test_a_large_order_and_small_ones_never_take_more_than_there_is(stock: Stock) -> None:
    """Orders that need several buckets at once are all or nothing too."""
    stock.add(1, 40, 8)

    def buy(user: int, client: Connection) -> int:
        quantity = user % 8 + 1
        return quantity if reserve(client, user, {1: quantity})["is_reserved"] else 0

    held = sum(at_once(buy, stock.clients(40)))
    assert stock.figures(1) == (40 - held, held, 40)
    assert held > 32, "whoever wanted 8 or fewer was refused while as many were left"


def test_orders_of_the_same_products_in_opposite_order_never_deadlock(stock: Stock) -> None:
    """Items are locked by product, whatever the order they came in."""
    products = [1, 2, 3, 4]
    for product in products:
        stock.add(product, 1000, buckets=product)

    def trade(user: int, client: Connection) -> None:
        wanted = products if user % 2 else products[::-1]
        for _ in range(8):
            order = uuid.uuid4()
            assert reserve(client, user, dict.fromkeys(wanted, 1), order)["is_reserved"]
            answer(client, RELEASE, order)

    at_once(trade, stock.clients(16))
    assert [stock.figures(p) for p in products] == [(1000, 0, 1000)] * 4


def test_users_with_overdue_reservations_of_each_others_products_never_deadlock(
    stock: Stock,
) -> None:
    """What an overdue reservation gives back is locked in one order with what is taken."""
    for product in (1, 2):
        stock.add(product, 8)
    clients = stock.clients(8)
    for _ in range(5):
        for user, client in enumerate(clients):
            order = uuid.uuid4()
            assert reserve(client, user, {user % 2 + 1: 1}, order)["is_reserved"]
            stock.make_overdue(order)

        def swap(user: int, client: Connection) -> uuid.UUID:
            order = uuid.uuid4()
            assert reserve(client, user, {2 - user % 2: 1}, order)["is_reserved"]
            return order

        for order in at_once(swap, clients):
            answer(clients[0], RELEASE, order)
    assert [stock.figures(p) for p in (1, 2)] == [(8, 0, 8)] * 2


def test_everything_at_once_neither_deadlocks_nor_loses_a_unit(stock: Stock) -> None:
    """Reserving, settling, sweeping, booking, levelling and resizing get along."""
    for product in (1, 2, 3):
        stock.add(product, 60, buckets=product)
    keepers = [stock.db.connect("ops") for _ in range(2)]
    stop = threading.Event()

    def look_after(number: int) -> None:
        sizes = itertools.cycle([1, 4, 2, 8])
        while not stop.is_set():
            keepers[number].execute(CLEANUP, [5])
            keepers[number].execute("SELECT inventory.rebalance_stock()")
            keepers[number].execute("SELECT inventory.set_stock_buckets(%s, %s)", [number + 1, next(sizes)])

    def trade(user: int, client: Connection) -> None:
        dice = random.Random(user)  # noqa: S311 - repeatable, not secret
        for _ in range(12):
            order = uuid.uuid4()
            products = dice.sample([1, 2, 3], dice.randint(1, 3))
            reservation = reserve(client, user, dict.fromkeys(products, dice.randint(1, 9)), order)
            if not reservation["is_reserved"]:
                client.execute("SELECT inventory.receive_stock(%s, %s, 5)", [products[0], uuid.uuid4()])
                continue
            action = dice.choice([CONFIRM, RELEASE, None])
            if action is None:
                with lock:
                    stock.make_overdue(order)
            else:
                answer(client, action, order)

    lock = threading.Lock()
    clients = stock.clients(12)
    with ThreadPoolExecutor(len(keepers)) as pool:
        kept = [pool.submit(look_after, number) for number in range(len(keepers))]
        try:
            at_once(trade, clients)
        finally:
            stop.set()
        for future in kept:
            future.result()
    while one(keepers[0].execute(CLEANUP, [100]))[0]:
        pass
    assert [stock.figures(p)[1] for p in (1, 2, 3)] == [0, 0, 0]


def test_confirming_and_sweeping_at_the_same_moment_have_one_winner(stock: Stock) -> None:
    """Whoever comes first decides, and the other one's answer says so."""
    stock.add(1, 40)
    buyer, sweeper = stock.clients(2)
    confirmed = 0
    for user in range(30):
        order = uuid.uuid4()
        assert reserve(buyer, user, {1: 1}, order)["is_reserved"]
        stock.owner.execute(
            "UPDATE inventory.inventory_reservations SET expires_at = clock_timestamp() + make_interval(secs => %s) WHERE order_id = %s",
            [random.Random(user).uniform(0, 0.004), order],  # noqa: S311 - repeatable
        )

        def settle(number: int, client: Connection, order: uuid.UUID = order) -> dict[str, Any]:
            return answer(client, CLEANUP, 10) if number else answer(client, CONFIRM, order)

        result = at_once(settle, [buyer, sweeper])[0]
        assert result["is_confirmed"] == (result["state"] == "confirmed")
        assert result["state"] in {"confirmed", "expired"}
        confirmed += result["is_confirmed"]
    assert stock.figures(1) == (40 - confirmed, 0, 40 - confirmed)


def test_a_confirmation_that_waits_for_the_sweep_finds_the_reservation_expired(
    stock: Stock,
) -> None:
    """The sweep had it first."""
    stock.add(1, 1)
    buyer, sweeper = stock.clients(2)
    order = uuid.uuid4()
    reserve(buyer, 1, {1: 1}, order)
    stock.make_overdue(order)
    with ThreadPoolExecutor(1) as pool:
        with sweeper.transaction():
            assert one(sweeper.execute(CLEANUP, [10])) == (1,)
            waiting = pool.submit(answer, buyer, CONFIRM, order)
            wait_until_blocked(stock.owner, buyer)
        assert waiting.result() == {"is_confirmed": False, "state": "expired"}


def test_the_sweep_passes_by_what_is_being_confirmed(stock: Stock) -> None:
    """It neither waits for a confirmation nor undoes it."""
    stock.add(1, 1)
    buyer, sweeper = stock.clients(2)
    order = uuid.uuid4()
    reserve(buyer, 1, {1: 1}, order)
    with buyer.transaction():
        assert answer(buyer, CONFIRM, order)["is_confirmed"]
        assert one(sweeper.execute(CLEANUP, [10])) == (0,)
    assert one(sweeper.execute(CLEANUP, [10])) == (0,)
    assert stock.figures(1) == (0, 0, 0)


def test_two_sweepers_share_the_work(stock: Stock) -> None:
    """Each overdue reservation is given back once."""
    stock.add(1, 40, 4)
    clients = stock.clients(4)
    for user in range(40):
        order = uuid.uuid4()
        assert reserve(clients[0], user, {1: 1}, order)["is_reserved"]
        stock.make_overdue(order)

    def sweep(_: int, client: Connection) -> int:
        return sum(int(one(client.execute(CLEANUP, [3]))[0]) for _ in range(6))

    swept = sum(at_once(sweep, clients))
    swept += int(one(clients[0].execute(CLEANUP, [100]))[0])
    assert swept == 40
    assert stock.figures(1) == (40, 0, 40)


@pytest.mark.parametrize(("is_kept", "outcome"), [(False, "reserved"), (True, "sold_out")])
def test_nobody_is_told_sold_out_because_of_a_unit_that_is_merely_locked(stock: Stock, *, is_kept: bool, outcome: str) -> None:
    """The second pass waits for whoever has the last unit in hand."""
    stock.add(1, 1)
    first, second = stock.clients(2)
    with ThreadPoolExecutor(1) as pool:
        with first.transaction(force_rollback=not is_kept):
            assert reserve(first, 1, {1: 1})["is_reserved"]
            waiting = pool.submit(reserve, second, 2, {1: 1})
            wait_until_blocked(stock.owner, second)
        assert waiting.result()["items"][0]["outcome"] == outcome


def test_fragments_of_which_one_is_locked_are_not_sold_out(stock: Stock) -> None:
    """An order over all buckets waits for the one that is in use, and takes every part."""
    stock.add(1, 4, 4)
    first, second = stock.clients(2)
    with ThreadPoolExecutor(1) as pool:
        with first.transaction(force_rollback=True):
            assert reserve(first, 1, {1: 1})["is_reserved"]
            waiting = pool.submit(reserve, second, 2, {1: 4})
            wait_until_blocked(stock.owner, second)
        assert waiting.result()["is_reserved"]
    parts = "SELECT bucket, quantity FROM inventory.inventory_reservation_items ORDER BY bucket"
    assert stock.owner.execute(parts).fetchall() == [(0, 1), (1, 1), (2, 1), (3, 1)]


def test_a_locked_bucket_does_not_hold_up_who_can_have_another(stock: Stock) -> None:
    """The first pass passes by what is in use."""
    stock.add(1, 4, 2)
    first, second, third = stock.clients(3)
    with first.transaction():
        assert reserve(first, 1, {1: 1})["is_reserved"]
        second.execute("SET lock_timeout = '5s'")
        assert reserve(second, 2, {1: 1})["is_reserved"]
    assert reserve(third, 3, {1: 2})["is_reserved"]


def test_one_order_sent_eight_times_at_once_is_reserved_once(stock: Stock) -> None:
    """Also where it takes the user's last slot: the same order does not compete with itself."""
    stock.add(1, 20, 4)
    clients = stock.clients(8)
    for _ in range(4):
        assert reserve(clients[0], 7, {1: 1})["is_reserved"]
    order = uuid.uuid4()

    results = at_once(lambda _, client: reserve(client, 7, {1: 2}, order), clients)

    assert sorted(r["is_replay"] for r in results) == [False] + [True] * 7
    assert all(r["is_reserved"] and r["expires_at"] == results[0]["expires_at"] for r in results)
    assert stock.figures(1) == (14, 6, 20)


def test_one_order_confirmed_eight_times_at_once_is_sold_once(stock: Stock) -> None:
    """Every caller gets the same answer."""
    stock.add(1, 5)
    clients = stock.clients(8)
    order = uuid.uuid4()
    reserve(clients[0], 1, {1: 2}, order)
    results = at_once(lambda _, client: answer(client, CONFIRM, order), clients)
    assert results == [{"is_confirmed": True, "state": "confirmed"}] * 8
    assert stock.figures(1) == (3, 0, 3)


def test_one_delivery_sent_eight_times_at_once_is_booked_once(stock: Stock) -> None:
    """The receipt's id is the key."""
    stock.add(1, 0)
    receipt = uuid.uuid4()
    query = "SELECT * FROM inventory.receive_stock(1, %s, 7)"
    results = at_once(lambda _, client: answer(client, query, receipt), stock.clients(8))
    assert sorted(r["is_replay"] for r in results) == [False] + [True] * 7
    assert stock.figures(1) == (7, 0, 7)


def test_a_hundred_attempts_of_one_user_at_once_leave_five_open(stock: Stock) -> None:
    """The limit is held by slots, not by counting."""
    stock.add(1, 100, 8)
    results = at_once(lambda _, client: reserve(client, 7, {1: 1}), stock.clients(100))
    assert sum(r["is_reserved"] for r in results) == 5
    refused = {r["items"][0]["outcome"] for r in results if not r["is_reserved"]}
    assert refused == {"too_many_open"}


def test_one_ended_order_asked_for_eight_times_at_once_is_held_anew_once(stock: Stock) -> None:
    """Whoever comes first opens it, the others are replays; swept, released or merely overdue before."""
    stock.add(1, 20, 4)
    clients = stock.clients(8)
    for attempt, end in enumerate([RELEASE, CLEANUP, None], 2):
        order = uuid.uuid4()
        assert reserve(clients[0], 7, {1: 2}, order)["is_reserved"]
        if end == RELEASE:
            answer(clients[0], RELEASE, order)
        else:
            stock.make_overdue(order)
        if end == CLEANUP:
            clients[0].execute(CLEANUP, [10])

        results = at_once(lambda _, client, order=order: reserve(client, 7, {1: 2}, order), clients)

        assert sorted(r["is_replay"] for r in results) == [False] + [True] * 7
        assert all(r["is_reserved"] and r["state"] == "held" for r in results)
        assert stock.figures(1) == (20 - 2 * (attempt - 1), 2 * (attempt - 1), 20)
    attempts = stock.owner.execute("SELECT DISTINCT attempts FROM inventory.inventory_reservations").fetchall()
    assert attempts == [(2,)]


def test_holding_anew_and_releasing_at_the_same_moment_end_in_one_of_the_two(stock: Stock) -> None:
    """A late retry of the first request holds again what was given back, for its five minutes and no longer."""
    stock.add(1, 3, 3)
    clients = stock.clients(6)
    for _ in range(10):
        order = uuid.uuid4()
        assert reserve(clients[0], 1, {1: 3}, order)["is_reserved"]

        def settle(number: int, client: Connection, order: uuid.UUID = order) -> dict[str, Any]:
            return answer(client, RELEASE, order) if number % 2 else reserve(client, 1, {1: 3}, order)

        at_once(settle, clients)
        assert stock.figures(1) in {(3, 0, 3), (0, 3, 3)}
        stock.make_overdue(order)
        clients[0].execute(CLEANUP, [10])
        assert stock.figures(1) == (3, 0, 3)


def test_resizing_waits_for_reservations_and_they_for_it(stock: Stock) -> None:
    """A bucket does not go while somebody is counting in it."""
    stock.add(1, 8, 8)
    keeper = stock.db.connect("ops")
    first, second = stock.clients(2)
    order = uuid.uuid4()
    with ThreadPoolExecutor(2) as pool:
        with first.transaction():
            assert reserve(first, 1, {1: 3}, order)["is_reserved"]
            resizing = pool.submit(keeper.execute, "SELECT inventory.set_stock_buckets(1, 2)")
            wait_until_blocked(stock.owner, keeper)
            waiting = pool.submit(reserve, second, 2, {1: 5})
            wait_until_blocked(stock.owner, second)
        resizing.result()
        assert waiting.result()["is_reserved"]
    assert answer(first, CONFIRM, order)["is_confirmed"]
    assert stock.figures(1) == (0, 5, 5)


@pytest.mark.parametrize(("role", "functions"), [("app", APP_FUNCTIONS), ("ops", OPS_FUNCTIONS)])
def test_a_role_may_call_what_is_meant_for_it_and_nothing_else(stock: Stock, role: str, functions: set[str]) -> None:
    """Asked as the role that has logged in."""
    allowed = stock.db.connect(role).execute(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'inventory'::regnamespace AND has_function_privilege(oid, 'EXECUTE')"
    )
    assert {name for (name,) in allowed} == functions


def test_no_function_is_everybodys(stock: Stock) -> None:
    """A new function belongs to PUBLIC until that is revoked."""
    public = stock.owner.execute(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'inventory'::regnamespace"
        " AND (proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0))"
    )
    assert public.fetchall() == []


def test_every_update_of_a_counter_is_hot(stock: Stock) -> None:
    """No index has to follow a counter: its row's versions stay on its page."""
    stock.add(1, 40)
    updates = (
        "SELECT pg_stat_get_xact_tuples_updated(c.oid), pg_stat_get_xact_tuples_hot_updated(c.oid)"
        " FROM pg_class AS c WHERE c.oid = 'inventory.inventory'::regclass"
    )
    with stock.owner.transaction():
        for user in range(20):
            order = uuid.uuid4()
            assert reserve(stock.owner, user, {1: 1}, order)["is_reserved"]
            answer(stock.owner, CONFIRM, order)
        updated, hot = one(stock.owner.execute(updates))
    assert updated == hot >= 40


def test_every_error_code_is_raised_documented_and_tested() -> None:
    """The table of docs/shop/inventory.md is complete."""
    raised = codes("ERRCODE = '(SH2..)'", (ROOT / "schemas/inventory").rglob("*.j2"))
    documented = codes(r"^\| (SH2..) \|", [ROOT / "docs/shop/inventory.md"])
    tested = codes(r"^-- raises: (SH2..)$", (ROOT / "tests/shop/inventory").glob("*.sql"))
    assert raised == documented == tested


def codes(pattern: str, files: Iterable[Path]) -> set[str]:
    """Collect what a pattern finds in files."""
    found = (re.findall(pattern, file.read_text("utf-8"), re.MULTILINE) for file in files)
    return {code for match in found for code in match}
