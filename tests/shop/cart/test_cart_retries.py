"""A request that is sent again is done once."""

from __future__ import annotations

from cart.carts import RULES, CartService, add, keys_of, read, refusal, snapshot, write, write_under


def test_a_retry_gets_the_first_answer_and_changes_nothing(cart: CartService) -> None:
    """Even when the cart has moved on meanwhile."""
    first = add(cart, "r1", "BOOK-1", 2, 1999)
    add(cart, "r2", "BOOK-1", 1, 1999)
    before = snapshot(cart)

    assert add(cart, "r1", "BOOK-1", 2, 1999) == first
    assert snapshot(cart) == before


def test_a_retry_after_midnight_changes_nothing(cart: CartService) -> None:
    """The day is in the metrics' key, not in the request."""
    args: list[object] = ["r1", "BOOK-1", 2, 1999, "USD"]
    first = write(cart, "add_item_to_cart", *args)
    tomorrow = [*keys_of("42", "cart", "seen"), "cart:metrics:{42}:2026-11-23"]

    assert cart.call("add_item_to_cart", tomorrow, args) == first
    assert not cart.client.exists("cart:metrics:{42}:2026-11-23")


def test_clearing_forgets_no_request(cart: CartService) -> None:
    """A late retry must not bring a line back."""
    first = add(cart, "r1", "BOOK-1")
    write(cart, "clear_cart", "r2", "")

    assert add(cart, "r1", "BOOK-1") == first
    assert read(cart)[1] == 0


def test_the_last_requests_are_remembered_and_no_more(cart: CartService) -> None:
    """One more than the limit forgets the oldest, which would then be done anew."""
    maximum = RULES["maximum_seen"]
    add(cart, "first", "BOOK-1", 1)
    for number in range(maximum):
        write(cart, "update_item_quantity", f"r{number}", "BOOK-1", 1 + number % 5, "")

    ids = [name for name in cart.client.hkeys("cart:seen:{42}") if str(name).startswith("id:")]
    assert len(ids) == maximum
    assert int(cart.client.hlen("cart:seen:{42}")) == 2 * maximum + 2
    before = snapshot(cart)
    write(cart, "update_item_quantity", "r0", "BOOK-1", 1, "")
    assert snapshot(cart) == before
    write(cart, "remove_item_from_cart", "r", "BOOK-1")
    assert add(cart, "first", "BOOK-1", 1)[0] == maximum + 3


def test_a_lowered_limit_of_requests_is_reached_at_the_next_write(cart: CartService) -> None:
    """Numbers come with each call, so that a new manifest binds what is there."""
    for number in range(10):
        add(cart, f"r{number}", "BOOK-1")

    write_under(cart, {"maximum_seen": 3}, "clear_cart", "last", "")

    names = sorted(cart.client.hkeys("cart:seen:{42}"))
    assert names == ["at:10", "at:11", "at:9", "first", "id:last", "id:r8", "id:r9", "next"]


def test_a_lowered_limit_of_lines_still_lets_a_cart_shrink(cart: CartService) -> None:
    """A new number binds new lines; what is over it can be changed and taken out."""
    for number in range(5):
        add(cart, f"r{number}", f"SKU-{number}")
    lowered = {"maximum_lines": 3, "maximum_quantity": 2}
    add(cart, "more", "SKU-1", 4)

    code = refusal(lambda: write_under(cart, lowered, "add_item_to_cart", "a", "SKU-9", 1, 100, "USD"))

    assert code == "CARTFULL"
    answer = write_under(cart, lowered, "add_item_to_cart", "b", "SKU-0", 1, 100, "USD")
    assert answer == [7, 5, 10, "USD", 1000]
    answer = write_under(cart, lowered, "merge_carts", "g-7", 1, 1, '[["SKU-1", 1, 100]]', "USD")
    assert answer == [8, 5, 10, "USD", 1000, 1]
