"""A guest's cart becomes part of a user's, over two slots: killed anywhere, the retry ends the same."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cart.carts import RULES, CartService, add, fill, merge, read, refusal, snapshot, write, write_under

LIMIT = RULES["maximum_quantity"]
MERGED = [["BOOK-1", 99, 1899], ["MUG-3", 1, 800]]


def plan(cart: CartService, guest: str = "g-7", user: str = "42") -> Iterator[str]:
    """Carry out the client's plan, step by step, so that a test can let the client die after any of them."""
    while True:
        version, lines, _, currency, _, _, items, since = read(cart, guest)
        yield "read"
        if version == 0:
            return
        try:
            write(cart, "merge_carts", guest, since, version, json.dumps(items), currency, user=user)
            yield "merged"
            if lines:
                write(cart, "clear_cart", f"merge:{guest}:{since}:{version}", version, user=guest)
                yield "cleared"
        except redis.ResponseError as error:
            if not str(error).startswith("CARTVERSION"):  # the guest shopped on: once more, from the start
                raise
        else:
            return


def carry_out(cart: CartService, *, steps: int = 100) -> None:
    """Carry out the plan, or its first steps."""
    for _, _ in zip(range(steps), plan(cart), strict=False):
        pass


def guest_and_user(cart: CartService) -> None:
    """Give the guest two lines, of which the user has one."""
    add(cart, "r1", "BOOK-1", 98, 1899, user="g-7")
    add(cart, "r2", "MUG-3", 1, 800, user="g-7")
    add(cart, "r1", "BOOK-1", 2, 1999)


def test_merge_adds_lines_and_caps_a_sum_over_the_limit(cart: CartService) -> None:
    """The answer's last number says how many lines were cut."""
    guest_and_user(cart)

    answer = merge(cart, read(cart, "g-7")[6])

    assert answer == [2, 2, 100, "USD", 99 * 1899 + 800, 1]
    assert read(cart)[6] == MERGED


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("again", [1, 2, 3])
@pytest.mark.parametrize("is_remembered", [True, False])
def test_merge_killed_after_any_step_and_retried_ends_the_same(cart: CartService, steps: int, again: int, is_remembered: bool) -> None:
    """Wherever the client dies, twice over, the user has each line once and the guest none; forgotten request ids change nothing."""
    guest_and_user(cart)

    for last_step in (steps, again, 100, 100):
        carry_out(cart, steps=last_step)
        if not is_remembered:
            cart.client.delete("cart:seen:{42}")
            cart.client.delete("cart:seen:{g-7}")

    assert read(cart)[6] == MERGED
    assert read(cart, "g-7")[1:5] == [0, 0, "", 0]


def test_a_guest_who_shops_on_between_merging_and_clearing_brings_each_line_once(cart: CartService) -> None:
    """The cart is cleared only at the version that was merged; the next round brings what changed since."""
    guest_and_user(cart)
    client = plan(cart)
    assert [next(client), next(client)] == ["read", "merged"]
    add(cart, "r3", "PEN-7", 2, 100, user="g-7")
    write(cart, "update_item_quantity", "r4", "MUG-3", 4, "", user="g-7")
    write(cart, "remove_item_from_cart", "r5", "BOOK-1", user="g-7")

    assert list(client) == ["read", "merged", "cleared"]

    assert read(cart)[6] == [["BOOK-1", 2, 1899], ["MUG-3", 4, 800], ["PEN-7", 2, 100]]
    assert read(cart, "g-7")[1] == 0


def test_a_guest_who_comes_back_after_clearing_brings_new_lines(cart: CartService) -> None:
    """The same product again is more of it: the lines of before had moved."""
    guest_and_user(cart)
    carry_out(cart)
    add(cart, "r3", "MUG-3", 2, 800, user="g-7")
    carry_out(cart)

    assert read(cart)[6] == [["BOOK-1", 99, 1899], ["MUG-3", 3, 800]]


def test_a_guest_whose_cart_expired_starts_anew(cart: CartService) -> None:
    """Versions begin again, and are not taken for those that were merged."""
    guest_and_user(cart)
    carry_out(cart, steps=2)
    cart.client.delete("cart:{g-7}", "cart:seen:{g-7}")
    add(cart, "r1", "MUG-3", 2, 800, user="g-7")
    carry_out(cart)

    assert read(cart)[6] == [["BOOK-1", 99, 1899], ["MUG-3", 3, 800]]


def test_a_client_that_slept_through_the_merge_is_refused(cart: CartService) -> None:
    """What it read was merged, changed and merged again by another: an old reading takes nothing back."""
    guest_and_user(cart)
    sleeper = plan(cart)
    next(sleeper)
    add(cart, "r3", "PEN-7", 2, 100, user="g-7")
    carry_out(cart)
    before = read(cart)

    assert list(sleeper) == ["read", "merged"]  # refused, read again, nothing left to move

    assert read(cart) == before
    assert [line[0] for line in before[6]] == ["BOOK-1", "MUG-3", "PEN-7"]


def test_a_client_that_slept_through_two_merges_is_refused(cart: CartService) -> None:
    """The guest was merged, came back and was merged again; the first reading, its request id forgotten, brings nothing."""
    guest_and_user(cart)
    sleeper = plan(cart)
    next(sleeper)
    carry_out(cart)
    add(cart, "r3", "PEN-7", 2, 100, user="g-7")
    carry_out(cart)
    cart.client.delete("cart:seen:{42}")
    before = read(cart)

    assert list(sleeper) == ["read", "merged"]

    assert read(cart) == before


def test_what_the_user_made_of_a_merged_line_stays(cart: CartService) -> None:
    """A line taken out does not come back with the next round, unless the guest touched it again."""
    guest_and_user(cart)
    carry_out(cart, steps=2)
    write(cart, "remove_item_from_cart", "r2", "MUG-3")
    write(cart, "update_item_quantity", "r3", "BOOK-1", 7, "")
    add(cart, "r3", "PEN-7", user="g-7")
    carry_out(cart)

    assert read(cart)[6] == [["BOOK-1", 7, 1899], ["PEN-7", 1, 100]]


def test_another_spelling_of_the_same_lines_is_the_same_request(cart: CartService) -> None:
    """JSON is written in many ways; other lines under one reading are refused."""
    first = write(cart, "merge_carts", "g-7", 1, 1, '[["MUG-3", 1, 800]]', "USD")
    before = snapshot(cart)

    assert write(cart, "merge_carts", "g-7", 1, 1, '[ ["MUG-3",1,8e2] ]', "USD") == first
    assert refusal(lambda: merge(cart, [("MUG-3", 2, 800)])) == "CARTREQUEST"
    assert refusal(lambda: merge(cart, [("PEN-7", 1, 800)])) == "CARTREQUEST"
    assert snapshot(cart) == before


def test_merge_that_does_not_fit_leaves_both_carts(cart: CartService) -> None:
    """All lines or none, and the guest keeps them."""
    fill(cart)
    add(cart, "r1", "MUG-3", user="g-7")
    before = snapshot(cart)

    assert refusal(lambda: carry_out(cart)) == "CARTFULL"
    assert snapshot(cart) == before


def test_a_guest_without_lines_is_merged_without_a_write(cart: CartService) -> None:
    """Every login may try."""
    add(cart, "r1", "MUG-3", user="g-7")
    write(cart, "clear_cart", "r2", "", user="g-7")
    before = snapshot(cart)

    carry_out(cart)

    assert snapshot(cart) == before


def test_the_last_guests_are_remembered_and_no_more(cart: CartService) -> None:
    """The cart does not grow with the number of guests who became this user."""
    for number in range(12):
        write_under(cart, {"maximum_merged": 3}, "merge_carts", f"g-{number}", 1, 1, '[["MUG-3", 1, 800]]', "USD")

    fields = sorted(field for field in cart.client.hkeys("cart:{42}") if str(field).startswith("merged:"))
    assert fields == ["merged:g-10", "merged:g-11", "merged:g-9"]
    assert read(cart)[6] == [["MUG-3", 12, 800]]


class Shop:
    """One guest, one user, and two clients that carry out the plan; they sleep, die and are started again."""

    def __init__(self, cart: CartService) -> None:
        self.cart = cart
        self.guest: dict[str, int] = {}
        self.own: dict[str, int] = {}
        self.clients: list[Iterator[str] | None] = [None, None]
        self.requests = 0

    def move(self, action: str, sku: str, quantity: int) -> None:
        """Make one move, in the servers and in two dictionaries."""
        self.requests += 1
        request = f"r{self.requests}"
        if action == "add" and self.guest.get(sku, 0) + quantity <= LIMIT:
            add(self.cart, request, sku, quantity, user="g-7")
            self.guest[sku] = self.guest.get(sku, 0) + quantity
        elif action == "update" and sku in self.guest:
            write(self.cart, "update_item_quantity", request, sku, quantity, "", user="g-7")
            self.guest[sku] = quantity
        elif action == "remove" and sku in self.guest:
            write(self.cart, "remove_item_from_cart", request, sku, user="g-7")
            del self.guest[sku]
        elif action == "empty":
            write(self.cart, "clear_cart", request, "", user="g-7")
            self.guest = {}
        elif action == "kill":
            self.clients[quantity % 2] = None
        elif action == "forget":
            self.cart.client.delete("cart:seen:{42}")
            self.cart.client.delete("cart:seen:{g-7}")
        elif action == "step":
            self.step(quantity % 2)

    def step(self, number: int) -> bool:
        """Let a client do its next step, or start it; say whether its plan is at its end."""
        client = self.clients[number] = self.clients[number] or plan(self.cart)
        done = next(client, None)
        if done == "cleared":
            for sku, quantity in self.guest.items():
                self.own[sku] = min(self.own.get(sku, 0) + quantity, LIMIT)
            self.guest = {}
        if done is None:
            self.clients[number] = None
        return done is None


moves = st.lists(
    st.tuples(
        st.sampled_from(["step"] * 6 + ["add"] * 3 + ["update", "remove", "kill", "kill", "empty", "forget"]),
        st.sampled_from(["A", "B", "C"]),
        st.integers(1, 60),
    ),
    min_size=5,
    max_size=40,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(own=st.dictionaries(st.sampled_from(["A", "B", "D"]), st.integers(1, LIMIT)), moves=moves)
def test_whatever_the_guest_writes_and_wherever_clients_die_each_unit_moves_once(
    cart: CartService, own: dict[str, int], moves: list[tuple[str, str, int]]
) -> None:
    """The user ends with what the user had and what the guest had when the lines moved, each sum cut to the limit."""
    cart.client.flushdb()
    shop = Shop(cart)
    for number, (sku, quantity) in enumerate(own.items()):
        add(cart, f"own-{number}", sku, quantity)
    shop.own = dict(own)

    for move in moves:
        shop.move(*move)
    for client in (0, 1, 0):  # the last one reads what the others, who may have read before, left
        while not shop.step(client):
            pass

    assert {sku: quantity for sku, quantity, _ in read(cart)[6]} == shop.own
    assert read(cart, "g-7")[1] == 0
