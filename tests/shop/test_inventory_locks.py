"""Who waits for whom in the inventory service, and that nobody waits for ever."""

from __future__ import annotations

import itertools
import random
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from inventory_stock import CLEANUP, CONFIRM, RELEASE, Database, Stock, answer, at_once, one, open_stock, reserve, wait_until_blocked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inventory_stock import Connection


@pytest.fixture
def stock(pg_service: Callable[[str], Database]) -> Iterator[Stock]:
    with open_stock(pg_service("inventory")) as stock:
        yield stock


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
    """The last pass waits for whoever has the last unit in hand."""
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


def test_a_unit_on_its_way_back_into_an_empty_bucket_is_not_sold_out(stock: Stock) -> None:
    """The second pass looks into what seems empty: whoever gives back has not committed yet."""
    stock.add(1, 1, 2)
    first, second = stock.clients(2)
    order = uuid.uuid4()
    assert reserve(first, 1, {1: 1}, order)["is_reserved"]
    with ThreadPoolExecutor(1) as pool:
        with first.transaction():
            assert answer(first, RELEASE, order)["is_released"]
            waiting = pool.submit(reserve, second, 2, {1: 1})
            wait_until_blocked(stock.owner, second)
        assert waiting.result()["is_reserved"]


def test_units_on_their_way_into_an_empty_bucket_are_not_sold_out(stock: Stock) -> None:
    """Nor those that levelling moves there: they leave one bucket and come to the other at its commit."""
    stock.add(1, 4, 2)
    keeper = stock.db.connect("ops")
    (client,) = stock.clients(1)
    stock.owner.execute("SELECT inventory.adjust_stock(1, ops.new_id(), -2, 'lost')")
    assert stock.buckets(1) == [0, 2]
    with ThreadPoolExecutor(1) as pool:
        with keeper.transaction():
            assert one(keeper.execute("SELECT inventory.rebalance_stock()")) == (1,)
            waiting = pool.submit(reserve, client, 1, {1: 2})
            wait_until_blocked(stock.owner, client)
        assert waiting.result()["is_reserved"]


def test_levelling_waits_for_resizing_before_it_takes_a_counter(stock: Stock) -> None:
    """The buckets that it counts are those that it locks: none comes in between."""
    stock.add(1, 4, 2)
    keeper = stock.db.connect("ops")
    stock.owner.execute("SELECT inventory.adjust_stock(1, ops.new_id(), -2, 'lost')")
    with ThreadPoolExecutor(1) as pool:
        with stock.owner.transaction():
            stock.owner.execute("SELECT pg_advisory_xact_lock(inventory.product_lock_key(1))")
            levelling = pool.submit(keeper.execute, "SELECT inventory.rebalance_stock()")
            wait_until_blocked(stock.owner, keeper)
            stock.owner.execute("SELECT FROM inventory.inventory WHERE product_id = 1 FOR UPDATE NOWAIT")
        assert one(levelling.result()) == (1,)
    assert stock.buckets(1) == [1, 1]


def test_a_locked_bucket_does_not_hold_up_who_can_have_another(stock: Stock) -> None:
    """A pass that does not wait passes by what is in use."""
    stock.add(1, 4, 2)
    first, second, third = stock.clients(3)
    with first.transaction():
        assert reserve(first, 1, {1: 1})["is_reserved"]
        second.execute("SET lock_timeout = '5s'")
        assert reserve(second, 2, {1: 1})["is_reserved"]
    assert reserve(third, 3, {1: 2})["is_reserved"]


def test_a_pass_never_goes_back_to_a_lower_bucket(stock: Stock) -> None:
    """It may hold higher ones by then, for which the holder of the lower one may wait: a deadlock."""
    stock.add(1, 8, 8)
    outcomes = []
    with stock.db.connect("owner") as holder, holder.transaction(), stock.owner.transaction(force_rollback=True):
        holder.execute("SELECT FROM inventory.inventory WHERE bucket > 0 FOR UPDATE")
        stock.owner.execute(
            "INSERT INTO inventory.inventory_reservations (order_id, user_id, request, expires_at) VALUES (ops.new_id(), 1, '[]', now())"
        )
        for _ in range(60):
            try:
                with stock.owner.transaction(force_rollback=True):
                    stock.owner.execute(
                        "SELECT inventory.take_at_once(order_id, ARRAY[1], ARRAY[1], FALSE) FROM inventory.inventory_reservations"
                    )
                    outcomes.append("taken")
            except psycopg.errors.DatabaseError as error:
                outcomes.append(str(error.sqlstate))
    assert set(outcomes) <= {"taken", "SH200"}
    assert outcomes.count("taken") < 30


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
