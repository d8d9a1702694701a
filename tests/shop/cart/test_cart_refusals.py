"""What is refused has written nothing."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import redis
from redis.crc import key_slot

from cart.carts import (
    DAY,
    LARGEST,
    OTHER_TOKEN,
    RULES,
    SCRIPTS,
    TOKEN,
    CartService,
    acquire,
    add,
    fill,
    keys_of,
    primaries,
    read,
    refusal,
    refusal_of_keys,
    snapshot,
    write,
)

# one call of each script that changes a cart with a line of BOOK-1
WRITES: dict[str, tuple[object, ...]] = {
    "add_item_to_cart": ("r9", "PEN-7", 1, 100, "USD"),
    "remove_item_from_cart": ("r9", "BOOK-1"),
    "update_item_quantity": ("r9", "BOOK-1", 2, ""),
    "clear_cart": ("r9", ""),
    "merge_carts": ("g-7", 1, 1, '[["MUG-3", 1, 800]]', "USD"),
}
REFUSED: list[tuple[str, str, tuple[object, ...]]] = [
    ("CARTARGS", "add_item_to_cart", ("r1", "SKU-1", 1, 100)),
    ("CARTARGS", "add_item_to_cart", ("r1", "SKU-1", 1, 100, "USD", "more")),
    ("CARTREQUEST", "add_item_to_cart", ("", "SKU-1", 1, 100, "USD")),
    ("CARTREQUEST", "add_item_to_cart", ("x" * 129, "SKU-1", 1, 100, "USD")),
    ("CARTREQUEST", "add_item_to_cart", ("fill-1", "SKU-1", 1, 101, "USD")),
    ("CARTREQUEST", "remove_item_from_cart", ("fill-1", "SKU-1")),
    ("CARTSKU", "add_item_to_cart", ("r1", "", 1, 100, "USD")),
    ("CARTSKU", "add_item_to_cart", ("r1", "x" * 61, 1, 100, "USD")),
    ("CARTSKU", "add_item_to_cart", ("r1", "SKU\n1", 1, 100, "USD")),
    *(
        ("CARTQTY", "add_item_to_cart", ("r1", "SKU-1", quantity, 100, "USD"))
        for quantity in (0, 100, -1, "", "1.0", "1e1", "0x1", " 1", "many", 2**64)
    ),
    ("CARTQTY", "add_item_to_cart", ("r1", "SKU-0", 1, 100, "USD")),
    ("CARTQTY", "update_item_quantity", ("r1", "SKU-1", 0, "")),
    ("CARTQTY", "update_item_quantity", ("r1", "SKU-1", RULES["maximum_quantity"] + 1, "")),
    *(
        ("CARTPRICE", "add_item_to_cart", ("r1", "SKU-1", 1, price, "USD"))
        for price in (-1, "", "1.5", "1e3", "nan", "inf", LARGEST + 1, LARGEST + 2, 10**20)
    ),
    ("CARTCURRENCY", "add_item_to_cart", ("r1", "SKU-1", 1, 100, "usd")),
    ("CARTCURRENCY", "add_item_to_cart", ("r1", "SKU-1", 1, 100, "EUR")),
    ("CARTFULL", "add_item_to_cart", ("r1", "SKU-NEW", 1, 100, "USD")),
    ("CARTTOTAL", "add_item_to_cart", ("r1", "SKU-1", 1, LARGEST, "USD")),
    ("CARTLINE", "remove_item_from_cart", ("r1", "SKU-NEW")),
    ("CARTLINE", "update_item_quantity", ("r1", "SKU-NEW", 1, "")),
    *(
        ("CARTVERSION", name, args)
        for version in (0, 49, 51, -1, "x")
        for name, args in (
            ("clear_cart", ("r1", version)),
            ("update_item_quantity", ("r1", "SKU-1", 1, version)),
        )
    ),
    *(
        ("CARTPAYLOAD", "merge_carts", ("g-7", 1, 1, payload, "USD"))
        for payload in (
            "",
            "{}",
            "null",
            "[1]",
            "[[]]",
            '[["SKU-1", 1]]',
            '[["SKU-1", 1, 100, 4]]',
            '[["SKU-1", 1, 100]',
            '[["SKU-1", 1, 100], ["SKU-1", 1, 100]]',
            "[" * 2000,
            " " * 32768 + "[]",
        )
    ),
    *(
        (code, "merge_carts", ("g-7", 1, 1, payload, "USD"))
        for code, payload in (
            ("CARTSKU", '[["", 1, 100]]'),
            ("CARTSKU", "[[7, 1, 100]]"),
            ("CARTQTY", '[["SKU-1", 1, 100], ["SKU-2", 0, 100]]'),
            ("CARTQTY", '[["SKU-1", 1.5, 100]]'),
            ("CARTQTY", '[["SKU-1", null, 100]]'),
            ("CARTPRICE", '[["SKU-1", 1, 0.5]]'),
            ("CARTPRICE", '[["SKU-1", 1, 9007199254740992]]'),
            ("CARTFULL", '[["SKU-1", 1, 100], ["SKU-NEW", 1, 100]]'),
            ("CARTFULL", json.dumps([[f"NEW-{number}", 1, 1] for number in range(51)])),
            ("CARTTOTAL", f'[["SKU-1", 1, {LARGEST}]]'),
        )
    ),
    ("CARTCURRENCY", "merge_carts", ("g-7", 1, 1, '[["SKU-1", 1, 100]]', "EUR")),
    ("CARTCURRENCY", "merge_carts", ("g-7", 1, 1, '[["SKU-1", 1, 100]]', "")),
    *(("CARTUSER", "merge_carts", (guest, 1, 1, "[]", "")) for guest in ("", "a{b", "42")),
    *(("CARTVERSION", "merge_carts", ("g-7", *reading, "[]", "")) for reading in (("", 1), (1, "x"), (-1, 1), (1, 1.5))),
    ("CARTREQUEST", "merge_carts", ("g" * 120, 1, 1, "[]", "")),
]


def test_a_refused_write_changes_no_key(cart: CartService) -> None:
    """Validation comes first: DUMP of every key is the same before and after."""
    fill(cart)
    before = snapshot(cart)

    for code, name, args in REFUSED:
        found = refusal(lambda name=name, args=args: write(cart, name, *args))  # type: ignore[misc]

        assert (found, name, args) == (code, name, args)
        assert snapshot(cart) == before


def test_a_currency_that_nothing_is_sold_in_is_refused(cart: CartService) -> None:
    """An empty cart would take any, and no service could price the order."""
    assert refusal(lambda: add(cart, "r1", "SKU-1", currency="XXX")) == "CARTCURRENCY"
    assert refusal(lambda: write(cart, "merge_carts", "g-7", 1, 1, '[["SKU-1", 1, 100]]', "XXX")) == "CARTCURRENCY"
    assert snapshot(cart) == {}


def test_a_refusal_is_not_remembered(cart: CartService) -> None:
    """The same request may succeed once its reason is gone."""
    fill(cart)
    assert refusal(lambda: add(cart, "r1", "SKU-NEW")) == "CARTFULL"
    write(cart, "remove_item_from_cart", "r2", "SKU-7")

    assert add(cart, "r1", "SKU-NEW")[1] == RULES["maximum_lines"]


@pytest.mark.parametrize("user", ["", "{", "}", "a{b", "a}b", "{42}"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_empty_id_or_brace_is_refused(cart: CartService, name: str, user: str) -> None:
    """Such a key would hash to a slot of its own: the user's keys would be apart."""
    header = SCRIPTS[name].header
    kinds = [key.name for key in header.keys[:3]]
    args: list[object] = [""] * len(header.arguments)

    keys = keys_of(user, *kinds)
    apart = isinstance(cart.client, redis.RedisCluster) and len({key_slot(key.encode()) for key in keys}) > 1

    assert refusal_of_keys(cart, lambda: cart.call(name, keys, args)) == ("CARTKEYS" if apart else "CARTUSER")
    assert snapshot(cart) == {}


@pytest.mark.parametrize(
    "keys",
    [
        [],
        keys_of("42", "cart"),
        keys_of("42", "cart", "seen", "metrics", "lock"),
        keys_of("42", "seen", "cart", "metrics"),
        [*keys_of("42", "cart", "seen"), "cart:metrics:{42}:today"],
        [*keys_of("42", "cart", "seen"), f"cart:metrics:{{43}}:{DAY}"],
        ["basket:{42}", *keys_of("42", "seen", "metrics")],
    ],
)
def test_keys_that_are_not_one_users_are_refused(cart: CartService, keys: list[str]) -> None:
    """One user's request ids never meet another's cart."""
    code = refusal_of_keys(cart, lambda: cart.call("clear_cart", keys, ["r1", ""]))

    assert code == "CARTKEYS"
    assert snapshot(cart) == {}


@pytest.mark.parametrize("command", [redis.Redis.set, redis.Redis.rpush])
@pytest.mark.parametrize("kind", ["cart", "seen", "metrics"])
@pytest.mark.parametrize("name", WRITES)
def test_a_key_of_another_type_is_refused_before_the_first_write(
    cart: CartService, name: str, kind: str, command: Callable[..., object]
) -> None:
    """A script has no rollback, so that an error half way would stay half done."""
    add(cart, "r1", "BOOK-1")
    (key,) = keys_of("42", kind)
    cart.client.delete(key)
    command(cart.client, key, "text")
    cart.client.expire("cart:{42}", 1000)
    before = snapshot(cart)

    assert refusal(lambda: write(cart, name, *WRITES[name])) == "CARTKEYS"
    assert snapshot(cart) == before
    assert cart.client.ttl("cart:{42}") <= 1000


@pytest.mark.parametrize("name", WRITES)
def test_a_counter_that_is_no_number_ends_the_script_before_other_writes(cart: CartService, name: str) -> None:
    """The metric is the first write, since it is the only one that can still fail; clearing looks before it writes."""
    add(cart, "r1", "BOOK-1")
    counters = ("added", "removed", "updated", "merged", "cleared")
    cart.client.hset(f"cart:metrics:{{42}}:{DAY}", mapping=dict.fromkeys(counters, "many"))
    cart.client.expire("cart:{42}", 1000)
    before = snapshot(cart)

    assert refusal(lambda: write(cart, name, *WRITES[name])) == "CARTKEYS"

    assert snapshot(cart) == before
    assert cart.client.ttl("cart:{42}") <= 1000


CALLS: dict[str, tuple[list[str], list[object]]] = {
    **{name: (["cart", "seen", "metrics"], list(args)) for name, args in WRITES.items()},
    "acquire_cart_lock": (["cart", "lock", "metrics"], [OTHER_TOKEN]),
    "release_cart_lock": (["lock"], [TOKEN]),
    "cleanup_expired_carts": (["cart", "seen", "lock"], []),
    "get_cart": (["cart"], []),
}


@pytest.mark.parametrize("name", CALLS)
def test_out_of_memory_refuses_a_write_whole_and_a_cart_can_be_given_up(cart: CartService, name: str) -> None:
    """What makes room, and what only reads, goes on: their headers say allow-oom, no-writes."""
    add(cart, "r1", "BOOK-1")
    if name == "release_cart_lock":
        acquire(cart, TOKEN)
    before = snapshot(cart)
    kinds, args = CALLS[name]
    everywhere = primaries(cart)
    cart.client.config_set("maxmemory", 1, **everywhere)
    try:
        if SCRIPTS[name].header.flags:
            answer = cart.call(name, keys_of("42", *kinds), args)
            assert name != "clear_cart" or answer == [2, 0, 0, "", 0]
        else:
            with pytest.raises(redis.ResponseError, match="not allowed when used memory") as raised:
                cart.call(name, keys_of("42", *kinds), args)
            assert "CART" not in str(raised.value)
            assert snapshot(cart) == before
    finally:
        cart.client.config_set("maxmemory", 0, **everywhere)

    assert {name for name in SCRIPTS if SCRIPTS[name].header.flags} == {
        "clear_cart",
        "cleanup_expired_carts",
        "get_cart",
        "release_cart_lock",
    }


def test_money_is_exact_to_the_last_unit(cart: CartService) -> None:
    """2^53 - 1 is stored, summed, answered and remembered without rounding."""
    answer = add(cart, "r1", "BOOK-1", 1, LARGEST - 198)
    assert answer == [1, 1, 1, "USD", LARGEST - 198]
    assert add(cart, "r1", "BOOK-1", 1, LARGEST - 198) == answer

    assert add(cart, "r2", "PEN-7", 99, 2) == [2, 2, 100, "USD", LARGEST]
    assert refusal(lambda: add(cart, "r3", "MUG", 1, 1)) == "CARTTOTAL"
    raised = refusal(lambda: write(cart, "update_item_quantity", "r3", "BOOK-1", 2, ""))
    assert raised == "CARTTOTAL"
    assert add(cart, "r4", "GIFT", 1, 0) == [3, 3, 101, "USD", LARGEST]
    assert cart.client.hget("cart:{42}", "total") == str(LARGEST)
    assert read(cart)[4] == LARGEST
