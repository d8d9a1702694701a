"""Any sequence of calls leaves the stock that a model of four dictionaries says."""

from __future__ import annotations

import itertools
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inventory_stock import CLEANUP, CONFIRM, RELEASE, Database, Stock, answer, one, open_stock, reserve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inventory_stock import Connection

LIMIT = 5
START = 10
PRODUCTS = st.integers(0, 2)
ORDER_COUNT = 9
ORDERS = st.integers(0, ORDER_COUNT - 1)
USERS = st.integers(0, 1)
ITEMS = st.dictionaries(PRODUCTS, st.integers(1, 6), min_size=1)
CALLS = st.one_of(
    st.tuples(st.just("reserve"), ORDERS, USERS, ITEMS),
    st.tuples(st.just("reserve"), ORDERS, USERS, ITEMS),
    st.tuples(st.just("hoard"), USERS),
    st.tuples(st.just("confirm"), ORDERS),
    st.tuples(st.just("release"), ORDERS),
    st.tuples(st.just("make_overdue"), ORDERS),
    st.tuples(st.just("sweep")),
    st.tuples(st.just("receive"), PRODUCTS, st.integers(1, 9)),
    st.tuples(st.just("lose"), PRODUCTS, st.integers(1, 9)),
    st.tuples(st.just("split"), PRODUCTS, st.integers(1, 5)),
    st.tuples(st.just("rebalance")),
)
NUMBERS = itertools.count(1)


class Model:
    """What ought to be: units available of each product, and of each order its user, items, state and whether it is overdue."""

    def __init__(self, start: int) -> None:
        self.available = dict.fromkeys(range(3), start)
        self.reserved = dict.fromkeys(range(3), 0)
        self.asked: dict[int, tuple[int, dict[int, int]]] = {}
        self.states: dict[int, str] = {}

    def reserve(self, order: int, user: int, items: dict[int, int]) -> tuple[bool, dict[int, str]]:
        """Return whether it is reserved, and each item's outcome."""
        if self.states.get(order) in {"held", "confirmed"}:
            return True, dict.fromkeys(items, "reserved")
        overdue = [o for o, s in self.states.items() if s == "overdue" and self.asked[o][0] == user]
        free = self.available | {p: q + sum(self.asked[o][1].get(p, 0) for o in overdue) for p, q in self.available.items()}
        outcomes = {}
        for product, quantity in items.items():
            held = sum(s == "held" and self.asked[o][0] == user and product in self.asked[o][1] for o, s in self.states.items())
            outcome = "sold_out" if free[product] < quantity else "available"
            outcomes[product] = "too_many_open" if held >= LIMIT and free[product] else outcome
        if set(outcomes.values()) != {"available"}:
            return False, outcomes
        for other in overdue:
            self.settle(other, "expired")
        self.asked[order], self.states[order] = (user, items), "held"
        self.move(items, -1, +1)
        return True, dict.fromkeys(items, "reserved")

    def settle(self, order: int, state: str) -> None:
        """End what is held."""
        self.states[order] = state
        self.move(self.asked[order][1], 0 if state == "confirmed" else +1, -1)

    def confirm(self, order: int) -> str:
        """Sell what is held; what is overdue expires."""
        if self.states[order] in {"held", "overdue"}:
            self.settle(order, "confirmed" if self.states[order] == "held" else "expired")
        return self.states[order]

    def release(self, order: int) -> str:
        """Give back what is held."""
        if self.states[order] in {"held", "overdue"}:
            self.settle(order, "released")
        return self.states[order]

    def move(self, items: dict[int, int], available: int, reserved: int) -> None:
        for product, quantity in items.items():
            self.available[product] += available * quantity
            self.reserved[product] += reserved * quantity


class Shop:
    """The service, in products, users and orders of this example's own."""

    def __init__(self, stock: Stock, app: Connection) -> None:
        self.stock, self.app = stock, app
        number = next(NUMBERS)
        self.products = [number * 10 + n for n in range(3)]
        self.users = [number * 10 + n for n in range(2)]
        self.orders = [uuid.uuid4() for _ in range(ORDER_COUNT)]
        for buckets, product in enumerate(self.products, 1):
            stock.add(product, START, buckets)

    def reserve(self, order: int, user: int, items: dict[int, int]) -> tuple[bool, dict[int, str]]:
        asked = {self.products[p]: q for p, q in items.items()}
        result = reserve(self.app, self.users[user], asked, self.orders[order])
        return result["is_reserved"], {self.products.index(i["product_id"]): i["outcome"] for i in result["items"]}

    def figures(self) -> list[tuple[Any, ...]]:
        return [self.stock.figures(product) for product in self.products]


@pytest.fixture
def stock(pg_service: Callable[[str], Database]) -> Iterator[Stock]:
    with open_stock(pg_service("inventory")) as stock:
        yield stock


class Play:
    """Makes each call on both sides, where it has a meaning, and compares the answers."""

    def __init__(self, stock: Stock, app: Connection) -> None:
        self.stock, self.app, self.shop, self.model = stock, app, Shop(stock, app), Model(START)

    def reserve(self, order: int, user: int, items: dict[int, int]) -> None:
        user, items = self.model.asked.get(order, (user, items))
        assert self.shop.reserve(order, user, items) == self.model.reserve(order, user, items)

    def hoard(self, user: int) -> None:
        """Ask for one unit with every order there is: more than a user may hold."""
        for order in range(ORDER_COUNT):
            self.reserve(order, user, {0: 1})

    def confirm(self, order: int) -> None:
        if order in self.model.states:
            assert answer(self.app, CONFIRM, self.shop.orders[order])["state"] == self.model.confirm(order)

    def release(self, order: int) -> None:
        if order in self.model.states:
            assert answer(self.app, RELEASE, self.shop.orders[order])["state"] == self.model.release(order)

    def make_overdue(self, order: int) -> None:
        if self.model.states.get(order) == "held":
            self.stock.make_overdue(self.shop.orders[order])
            self.model.states[order] = "overdue"

    def sweep(self) -> None:
        overdue = [order for order, state in self.model.states.items() if state == "overdue"]
        assert one(self.app.execute(CLEANUP, [1000])) == (len(overdue),)
        for order in overdue:
            self.model.settle(order, "expired")

    def receive(self, product: int, quantity: int) -> None:
        self.app.execute("SELECT inventory.receive_stock(%s, %s, %s)", [self.shop.products[product], uuid.uuid4(), quantity])
        self.model.available[product] += quantity

    def lose(self, product: int, quantity: int) -> None:
        query = "SELECT inventory.adjust_stock(%s, %s, %s, 'lost')"
        arguments = [self.shop.products[product], uuid.uuid4(), -quantity]
        if quantity <= self.model.available[product]:
            self.app.execute(query, arguments)
            self.model.available[product] -= quantity
        else:
            with pytest.raises(psycopg.Error, match="fewer units are available"):
                self.app.execute(query, arguments)

    def split(self, product: int, buckets: int) -> None:
        self.stock.owner.execute("SELECT inventory.set_stock_buckets(%s, %s)", [self.shop.products[product], buckets])

    def rebalance(self) -> None:
        self.stock.owner.execute("SELECT inventory.rebalance_stock()")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(CALLS, min_size=5, max_size=40))
def test_any_sequence_of_calls_ends_where_the_model_says(stock: Stock, calls: list[tuple[Any, ...]]) -> None:
    """Answers and figures alike, after each call; what an example leaves overdue, the next one need not sweep."""
    with stock.db.connect("app") as app:
        play = Play(stock, app)
        for name, *arguments in calls:
            getattr(play, name)(*arguments)

            expected = [(a, r, a + r) for a, r in zip(play.model.available.values(), play.model.reserved.values(), strict=True)]
            assert play.shop.figures() == expected
        play.sweep()
