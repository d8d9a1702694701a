"""What the inventory service promises when many ask at once: nothing sold twice, limits, replays."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from inventory_stock import CLEANUP, CONFIRM, RELEASE, Database, Stock, answer, at_once, one, open_stock, reserve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inventory_stock import Connection


@pytest.fixture
def stock(pg_service: Callable[[str], Database]) -> Iterator[Stock]:
    with open_stock(pg_service("inventory")) as stock:
        yield stock


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

        def ask(_: int, client: Connection, order: uuid.UUID = order) -> dict[str, Any]:
            return reserve(client, 7, {1: 2}, order)

        results = at_once(ask, clients)

        assert sorted(r["is_replay"] for r in results) == [False] + [True] * 7
        assert all(r["is_reserved"] and r["state"] == "held" for r in results)
        assert stock.figures(1) == (20 - 2 * (attempt - 1), 2 * (attempt - 1), 20)
    attempts = stock.owner.execute("SELECT DISTINCT attempts FROM inventory.inventory_reservations").fetchall()
    assert attempts == [(2,)]


def test_every_update_of_a_counter_is_hot(stock: Stock) -> None:
    """No index has to follow a counter: its row's versions stay on its page."""
    stock.add(1, 40)
    updates = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relid = 'inventory.inventory'::regclass"
    with stock.owner.transaction():
        for user in range(20):
            order = uuid.uuid4()
            assert reserve(stock.owner, user, {1: 1}, order)["is_reserved"]
            answer(stock.owner, CONFIRM, order)
        updated, hot = one(stock.owner.execute(updates))
    assert updated == hot >= 40
