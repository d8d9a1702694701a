"""Adding, changing, removing, reading: lines, totals, versions, TTLs, metrics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from cart.carts import DAY, RULES, TOKEN, Answer, CartService, acquire, add, keys_of, merge, read, refusal, snapshot, write


def test_add_makes_a_line_and_counts_the_cart(cart: CartService) -> None:
    """The answer is version, lines, quantity, currency, total."""
    assert add(cart, "r1", "BOOK-1", 2, 1999) == [1, 1, 2, "USD", 3998]
    assert add(cart, "r2", "PEN-7", 3, 150) == [2, 2, 5, "USD", 4448]


def test_add_to_a_line_raises_it_and_takes_the_new_price(cart: CartService) -> None:
    """One product, one line, one price."""
    add(cart, "r1", "BOOK-1", 2, 1999)

    assert add(cart, "r2", "BOOK-1", 1, 1500) == [2, 1, 3, "USD", 4500]


def test_update_sets_the_quantity(cart: CartService) -> None:
    """An absolute quantity, whatever the line held."""
    add(cart, "r1", "BOOK-1", 2, 1999)

    assert write(cart, "update_item_quantity", "r2", "BOOK-1", 5, "") == [2, 1, 5, "USD", 9995]


def test_update_at_another_version_is_refused(cart: CartService) -> None:
    """Who edits what he saw does not overwrite what he did not see."""
    add(cart, "r1", "BOOK-1", 2, 1999)
    add(cart, "r2", "BOOK-1", 1, 1999)

    stale = refusal(lambda: write(cart, "update_item_quantity", "r3", "BOOK-1", 1, 1))

    assert stale == "CARTVERSION"
    assert write(cart, "update_item_quantity", "r3", "BOOK-1", 1, 2) == [3, 1, 1, "USD", 1999]


def test_removing_the_last_line_frees_the_currency(cart: CartService) -> None:
    """An empty cart takes any currency, and goes on counting versions."""
    add(cart, "r1", "BOOK-1", 2, 1999)

    assert write(cart, "remove_item_from_cart", "r2", "BOOK-1") == [2, 0, 0, "", 0]
    assert add(cart, "r3", "BOOK-1", 1, 300, "JPY") == [3, 1, 1, "JPY", 300]


def test_clear_keeps_version_and_fence(cart: CartService) -> None:
    """A version that came back would let an old plan clear a new cart."""
    add(cart, "r1", "BOOK-1", 2, 1999)
    fence, _ = acquire(cart, TOKEN)

    assert write(cart, "clear_cart", "r2", "") == [2, 0, 0, "", 0]
    assert cart.client.hget("cart:{42}", "fence") == str(fence)
    assert add(cart, "r3", "PEN-7")[0] == 3


def test_get_cart_returns_lines_by_sku_and_changes_nothing(cart: CartService) -> None:
    """A read neither refreshes the TTL nor makes a cart."""
    assert read(cart) == [0, 0, 0, "", 0, 0, [], 0]
    assert snapshot(cart) == {}
    add(cart, "r1", "PEN-7", 3, 150)
    add(cart, "r2", "BOOK-1", 2, 1999)
    cart.client.expire("cart:{42}", 100)

    version, lines, quantity, currency, total, updated_at, items, since = read(cart)

    assert (version, lines, quantity, currency, total) == (2, 2, 5, "USD", 4448)
    assert items == [["BOOK-1", 2, 1999], ["PEN-7", 3, 150]]
    assert 0 < since <= updated_at
    assert abs(datetime.now(UTC).timestamp() * 1000 - updated_at) < 60_000
    assert int(cart.client.ttl("cart:{42}")) <= 100


def test_totals_are_stored_for_readers_without_a_script(cart: CartService) -> None:
    """HMGET is enough for the number beside the cart's symbol."""
    add(cart, "r1", "BOOK-1", 2, 1999)

    stored = cart.client.hmget("cart:{42}", ["version", "lines", "quantity", "currency", "total"])

    assert stored == ["1", "1", "2", "USD", "3998"]


def test_every_write_refreshes_the_ttls(cart: CartService) -> None:
    """Cart 30 days, request ids 24 hours, metrics 90 days, each from the last write."""
    expected = {
        "cart": RULES["cart_ttl_seconds"],
        "seen": RULES["seen_ttl_seconds"],
        "metrics": RULES["metrics_ttl_seconds"],
    }
    writes: list[Callable[[], Answer]] = [
        lambda: add(cart, "r1", "BOOK-1"),
        lambda: write(cart, "update_item_quantity", "r2", "BOOK-1", 5, ""),
        lambda: merge(cart, [("PEN-7", 1, 100)]),
        lambda: write(cart, "remove_item_from_cart", "r4", "BOOK-1"),
        lambda: write(cart, "clear_cart", "r5", ""),
    ]
    for call in writes:
        for name in keys_of("42", *expected):
            cart.client.expire(name, 50)
        call()
        for name, seconds in zip(keys_of("42", *expected), expected.values(), strict=True):
            assert seconds - 5 <= int(cart.client.ttl(name)) <= seconds


def test_every_applied_write_is_counted_once(cart: CartService) -> None:
    """Neither a retry nor a refusal counts."""
    add(cart, "r1", "BOOK-1")
    add(cart, "r1", "BOOK-1")
    write(cart, "update_item_quantity", "r2", "BOOK-1", 5, "")
    write(cart, "remove_item_from_cart", "r3", "BOOK-1")
    refusal(lambda: write(cart, "remove_item_from_cart", "r4", "BOOK-1"))
    merge(cart, [("PEN-7", 1, 100)])
    write(cart, "clear_cart", "r6", "")
    acquire(cart, TOKEN)

    assert cart.client.hgetall(f"cart:metrics:{{42}}:{DAY}") == dict.fromkeys(
        ("added", "updated", "removed", "merged", "cleared", "locked"), "1"
    )


def test_a_full_cart_of_longest_skus_stays_one_listpack(cart: CartService) -> None:
    """No field passes 64 bytes: the cart is read in one sweep of a few kilobytes."""
    for number in range(RULES["maximum_lines"]):
        add(cart, f"r{number}", f"{number:060}", RULES["maximum_quantity"], 10**9)

    assert cart.client.object("encoding", "cart:{42}") in {"listpack", "ziplist"}
