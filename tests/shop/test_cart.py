"""What the cart's scripts (lua/cart) promise, on whatever server `redis_service` brings up.

`redis_service("cart")` gives a client of an emptied database and `call(name, keys, args)`, which
runs a script and appends the manifest's numbers as its last arguments.
"""

from __future__ import annotations

import json
import re
import threading
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path.stem for path in (ROOT / "lua/cart").glob("*.lua"))
RULES: dict[str, int] = tomllib.loads((ROOT / "dbkit.toml").read_text(encoding="utf-8"))["services"]["cart"]["rules"]
LARGEST = 2**53 - 1
DAY = "2026-11-22"
TOKEN, OTHER_TOKEN = "holder-" + "a" * 32, "holder-" + "b" * 32

Answer = list[Any]


class CartService(Protocol):
    """What the fixture gives."""

    client: redis.Redis

    def call(self, name: str, keys: list[str], args: list[object]) -> Any:
        """Run a script with the manifest's numbers behind its arguments."""


CartFactory = Callable[[str], CartService]


@pytest.fixture
def cart(redis_service: CartFactory) -> CartService:
    """Give the cart's scripts on an emptied database."""
    return redis_service("cart")


def keys_of(user: str, *kinds: str) -> list[str]:
    """Name a user's keys as the spec does."""
    names = {
        "cart": f"cart:{{{user}}}",
        "seen": f"cart:seen:{{{user}}}",
        "lock": f"cart:lock:{{{user}}}",
        "metrics": f"cart:metrics:{{{user}}}:{DAY}",
    }
    return [names[kind] for kind in kinds]


def write(cart: CartService, name: str, *args: object, user: str = "42") -> Answer:
    """Call one of the scripts that change a cart."""
    answer: Answer = cart.call(name, keys_of(user, "cart", "seen", "metrics"), list(args))
    return answer


def add(
    cart: CartService,
    request: str,
    sku: str,
    quantity: object = 1,
    price: object = 100,
    currency: str = "USD",
    user: str = "42",
) -> Answer:
    """Add one line."""
    return write(cart, "add_item_to_cart", request, sku, quantity, price, currency, user=user)


def read(cart: CartService, user: str = "42") -> Answer:
    """Read a cart."""
    answer: Answer = cart.call("get_cart", keys_of(user, "cart"), [])
    return answer


def acquire(cart: CartService, token: str) -> Answer:
    """Ask for user 42's lock."""
    answer: Answer = cart.call("acquire_cart_lock", keys_of("42", "cart", "lock", "metrics"), [token])
    return answer


def refusal(call: Callable[[], object]) -> str:
    """Return the code of the error that a call must end with."""
    with pytest.raises(redis.ResponseError) as raised:
        call()
    return str(raised.value).split(" ", 1)[0]


def primaries(cart: CartService) -> dict[str, Any]:
    """Return what sends a command that names no key to every primary of a cluster."""
    return {"target_nodes": redis.RedisCluster.PRIMARIES} if isinstance(cart.client, redis.RedisCluster) else {}


def refusal_of_keys(cart: CartService, call: Callable[[], object]) -> str:
    """Return the code of the error; a cluster refuses keys of several slots before a script sees them, which counts as CARTKEYS."""
    if not isinstance(cart.client, redis.RedisCluster):
        return refusal(call)
    with pytest.raises((redis.ResponseError, redis.RedisClusterException)) as raised:
        call()
    return "CARTKEYS" if "same key slot" in str(raised.value) else str(raised.value).split(" ", 1)[0]


def snapshot(cart: CartService) -> dict[str, tuple[object, bool]]:
    """Return every key's value as the server dumps it, and whether it expires."""
    names: list[str] = cart.client.keys("*", **primaries(cart))  # type: ignore[assignment]
    return {name: (cart.client.dump(name), cart.client.pttl(name) == -1) for name in sorted(names)}


# The scripts as text


@dataclass(frozen=True, slots=True)
class Header:
    """What the comment on top of a script says."""

    name: str
    keys: dict[int, str]
    open_ended: bool
    arguments: list[str]
    rules: list[str]
    errors: set[str]
    flags: str


def expand(text: str) -> str:
    """Paste the included pieces, as the loader does."""
    return re.sub(
        r"^-- include: (\w+)\n",
        lambda match: (ROOT / f"lua/_lib/{match[1]}.lua").read_text(encoding="utf-8"),
        text,
        flags=re.MULTILINE,
    )


def source(name: str) -> str:
    """Return a script's file."""
    return (ROOT / f"lua/cart/{name}.lua").read_text(encoding="utf-8")


def header_of(text: str) -> Header:
    """Parse the header; every part must be there, in order."""
    match = re.match(
        r"--\[\[\n(\w+): .+?\n\nKEYS\n(.*?)ARGV\n(.*?)RULES\n(.*?)RETURNS\n(.+?)ERRORS\n(.*?)"
        r"FLAGS\n  (.+?)\n\]\]\n",
        text,
        re.DOTALL,
    )
    assert match is not None
    keys = re.findall(r"^  (\d+)(\.\.)? +(\w+)  +cart:", match[2], re.MULTILINE)
    arguments = re.findall(r"^  (\d+) (\w+)  +\S", match[3], re.MULTILINE)
    assert [int(number) for number, _ in arguments] == list(range(1, len(arguments) + 1))
    return Header(
        name=match[1],
        keys={int(number): kind for number, _, kind in keys},
        open_ended=any(dots for _, dots, _ in keys),
        arguments=[name for _, name in arguments],
        rules=re.findall(r"\w+", match[4]),
        errors=set(re.findall(r"^  (CART[A-Z]+)  +\S", match[6], re.MULTILINE)),
        flags=match[7],
    )


def bound_names(body: str, table: str) -> dict[int, str]:
    """Return which local each element of KEYS or ARGV is bound to."""
    bound: dict[int, str] = {}
    for names, values in re.findall(r"^local ([\w, ]+) = (.*\[\d+\].*)$", body, re.MULTILINE):
        for name, value in zip(names.split(", "), values.split(", "), strict=True):
            element = re.search(rf"{table}\[(\d+)\]", value)
            if element:
                bound[int(element[1])] = name
    return bound


@pytest.mark.parametrize("name", SCRIPTS)
def test_header_agrees_with_the_body(name: str) -> None:
    """KEYS, ARGV with the rules behind them, and ERRORS are what the body takes and raises."""
    text = source(name)
    header = header_of(text)
    _, _, body = text.partition("\n]]\n")
    fixed = {n: kind for n, kind in header.keys.items() if not (header.open_ended and n > 3)}
    positions = [*header.arguments, *header.rules]

    assert header.name == name
    assert bound_names(body, "KEYS") == {n: f"{kind}_key" for n, kind in fixed.items()}
    assert bound_names(body, "ARGV") == dict(enumerate(positions, start=1))
    assert body.count("KEYS[") == len(header.keys)
    assert body.count("ARGV[") == len(positions)
    assert f"check_arguments({len(header.arguments)}, {len(header.rules)})" in body
    assert set(re.findall(r'"(CART[A-Z]+) ', expand(body))) == header.errors
    assert set(header.rules) <= set(RULES)
    assert header.flags in {"(none)", "no-writes", "allow-oom"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_is_static_text_for_both_forms(name: str) -> None:
    """No shebang, no template, one level of includes, no global, lines of 100 columns at most."""
    text = source(name)
    _, _, body = text.partition("\n]]\n")
    expanded = expand(body)

    assert "#!" not in text
    assert "{{" not in text
    assert "-- include:" not in expanded
    assert not re.findall(r"^(?:function|\w+ =)(?! )", body, re.MULTILINE)
    assert all(len(line) <= 100 for line in expand(text).splitlines())


def write_under(cart: CartService, rules: dict[str, int], name: str, *args: object) -> Answer:
    """Call a script with other numbers than the manifest's."""
    numbers = [{**RULES, **rules}[rule] for rule in header_of(source(name)).rules]
    arguments: list[Any] = [*keys_of("42", "cart", "seen", "metrics"), *args, *numbers]
    answer: Answer = cart.client.eval(expand(source(name)), 3, *arguments)
    return answer


def test_every_script_of_the_spec_is_there() -> None:
    """The names are fixed, because people call them."""
    assert SCRIPTS == [
        "acquire_cart_lock",
        "add_item_to_cart",
        "cleanup_expired_carts",
        "clear_cart",
        "get_cart",
        "merge_carts",
        "release_cart_lock",
        "remove_item_from_cart",
        "update_item_quantity",
    ]


def test_every_error_code_is_in_the_manual() -> None:
    """docs/shop/cart.md has one row a code, and no code that nothing raises."""
    raised = set[str]().union(*(header_of(source(name)).errors for name in SCRIPTS))
    manual = (ROOT / "docs/shop/cart.md").read_text(encoding="utf-8")

    assert set(re.findall(r"^\| `(CART[A-Z]+)` \|", manual, re.MULTILINE)) == raised


def test_bodies_run_as_functions_of_one_library(cart: CartService) -> None:
    """Redis 7 and Valkey take the same bodies as a library; flags are the header's. Redis 6.2 knows no functions."""
    functions = []
    for name in SCRIPTS:
        flags = header_of(source(name)).flags.replace("(none)", "")
        functions.append(
            f"redis.register_function{{function_name='{name}_function', "
            f"flags={{{flags and repr(flags)}}}, callback=function(KEYS, ARGV)\n"
            f"{expand(source(name))}\nend}}"
        )
    library = "#!lua name=test_cart_bodies\n" + "\n".join(functions)
    cart.client.function_load(library, replace=True)
    try:
        rules = [RULES[rule] for rule in header_of(source("add_item_to_cart")).rules]
        keys = keys_of("42", "cart", "seen", "metrics")
        arguments: list[Any] = [*keys, "r1", "BOOK-1", 2, 1999, "USD", *rules]

        answer = cart.client.fcall("add_item_to_cart_function", 3, *arguments)

        assert answer == [1, 1, 2, "USD", 3998]
        assert cart.client.fcall_ro("get_cart_function", 1, keys[0]) == read(cart)
    finally:
        cart.client.function_delete("test_cart_bodies")


def test_keys_of_a_user_share_one_slot_on_every_day() -> None:
    """The braces are literal, and the date has none."""
    names = keys_of("42", "cart", "seen", "lock", "metrics")

    assert {key_slot(name.encode()) for name in [*names, "cart:metrics:{42}:2020-02-29"]} == {8000}
    assert key_slot(b"cart:{guest-7}") != 8000


# Adding, changing, removing


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
    assert read(cart) == [0, 0, 0, "", 0, 0, []]
    assert snapshot(cart) == {}
    add(cart, "r1", "PEN-7", 3, 150)
    add(cart, "r2", "BOOK-1", 2, 1999)
    cart.client.expire("cart:{42}", 100)

    version, lines, quantity, currency, total, updated_at, items = read(cart)

    assert (version, lines, quantity, currency, total) == (2, 2, 5, "USD", 4448)
    assert items == [["BOOK-1", 2, 1999], ["PEN-7", 3, 150]]
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
        lambda: write(cart, "merge_carts", "r3", '[["PEN-7", 1, 100]]', "USD"),
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
    write(cart, "merge_carts", "r5", '[["PEN-7", 1, 100]]', "USD")
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


# Refusals


def fill(cart: CartService) -> None:
    """Bring the cart to its last line but none, one of them at its last unit."""
    for number in range(RULES["maximum_lines"]):
        quantity = RULES["maximum_quantity"] if number == 0 else 1
        add(cart, f"fill-{number}", f"SKU-{number}", quantity, 100)


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
        ("CARTPAYLOAD", "merge_carts", ("r1", payload, "USD"))
        for payload in (
            "",
            "{}",
            "null",
            "[1]",
            "[[]]",
            '[["SKU-1", 1]]',
            '[["SKU-1", 1, 100, 4]]',
            '[["SKU-1", 1, 100]',
            "[" * 2000,
            " " * 32768 + "[]",
        )
    ),
    ("CARTSKU", "merge_carts", ("r1", '[["", 1, 100]]', "USD")),
    ("CARTSKU", "merge_carts", ("r1", "[[7, 1, 100]]", "USD")),
    ("CARTQTY", "merge_carts", ("r1", '[["SKU-1", 1, 100], ["SKU-2", 0, 100]]', "USD")),
    ("CARTQTY", "merge_carts", ("r1", '[["SKU-1", 1.5, 100]]', "USD")),
    ("CARTQTY", "merge_carts", ("r1", '[["SKU-1", null, 100]]', "USD")),
    ("CARTPRICE", "merge_carts", ("r1", '[["SKU-1", 1, 0.5]]', "USD")),
    ("CARTPRICE", "merge_carts", ("r1", '[["SKU-1", 1, 9007199254740992]]', "USD")),
    ("CARTCURRENCY", "merge_carts", ("r1", '[["SKU-1", 1, 100]]', "EUR")),
    ("CARTFULL", "merge_carts", ("r1", '[["SKU-1", 1, 100], ["SKU-NEW", 1, 100]]', "USD")),
    ("CARTFULL", "merge_carts", ("r1", json.dumps([["SKU-1", 1, 1]] * 51), "USD")),
    ("CARTTOTAL", "merge_carts", ("r1", f'[["SKU-1", 1, {LARGEST}]]', "USD")),
]


def test_a_refused_write_changes_no_key(cart: CartService) -> None:
    """Validation comes first: DUMP of every key is the same before and after."""
    fill(cart)
    before = snapshot(cart)

    for code, name, args in REFUSED:
        found = refusal(lambda name=name, args=args: write(cart, name, *args))  # type: ignore[misc]

        assert (found, name, args) == (code, name, args)
        assert snapshot(cart) == before


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
    header = header_of(source(name))
    kinds = [kind for number, kind in header.keys.items() if number <= 3]
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


@pytest.mark.parametrize("kind", ["cart", "seen", "metrics"])
def test_a_key_of_another_type_is_refused_before_the_first_write(cart: CartService, kind: str) -> None:
    """A script has no rollback, so that an error half way would stay half done."""
    cart.client.set(keys_of("42", kind)[0], "text")
    before = snapshot(cart)

    assert refusal(lambda: add(cart, "r1", "BOOK-1")) == "CARTKEYS"
    assert snapshot(cart) == before


def test_a_counter_that_is_no_number_ends_the_script_before_other_writes(
    cart: CartService,
) -> None:
    """The metric is the first write, since it is the only one that can still fail."""
    cart.client.hset(f"cart:metrics:{{42}}:{DAY}", "added", "many")
    before = snapshot(cart)

    refusal(lambda: add(cart, "r1", "BOOK-1"))

    assert snapshot(cart) == before


def test_out_of_memory_refuses_adding_whole_but_not_clearing(cart: CartService) -> None:
    """A cart never ends half written, and can always be given up."""
    add(cart, "r1", "BOOK-1")
    before = snapshot(cart)
    everywhere = primaries(cart)
    cart.client.config_set("maxmemory", 1, **everywhere)
    try:
        with pytest.raises(redis.ResponseError, match="not allowed when used memory"):
            add(cart, "r2", "PEN-7")
        assert snapshot(cart) == before
        assert write(cart, "clear_cart", "r3", "") == [2, 0, 0, "", 0]
    finally:
        cart.client.config_set("maxmemory", 0, **everywhere)


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


# Retries


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
    answer = write_under(cart, lowered, "merge_carts", "c", '[["SKU-1", 1, 100]]', "USD")
    assert answer == [8, 5, 10, "USD", 1000, 1]


# Merging a guest's cart


def merge_guest(cart: CartService, *, phases: int = 3) -> None:
    """Carry out the client's plan for guest g-7 and user 42, or die after some of its phases."""
    version, lines, _, currency, _, _, items = read(cart, "g-7")
    if lines == 0 or phases < 2:
        return
    request = f"merge:g-7:{version}"
    write(cart, "merge_carts", request, json.dumps(items), currency)
    if phases < 3:
        return
    write(cart, "clear_cart", request, version, user="g-7")


def guest_and_user(cart: CartService) -> None:
    """Give the guest two lines, of which the user has one."""
    add(cart, "r1", "BOOK-1", 98, 1899, user="g-7")
    add(cart, "r2", "MUG-3", 1, 800, user="g-7")
    add(cart, "r1", "BOOK-1", 2, 1999)


MERGED = [["BOOK-1", 99, 1899], ["MUG-3", 1, 800]]


def test_merge_adds_lines_and_caps_a_sum_over_the_limit(cart: CartService) -> None:
    """The answer's last number says how many lines were cut."""
    guest_and_user(cart)

    answer = write(cart, "merge_carts", "m", json.dumps(read(cart, "g-7")[6]), "USD")

    assert answer == [2, 2, 100, "USD", 99 * 1899 + 800, 1]
    assert read(cart)[6] == MERGED


@pytest.mark.parametrize("phases", [1, 2, 3])
@pytest.mark.parametrize("again", [1, 2, 3])
def test_merge_killed_between_phases_and_retried_ends_the_same(cart: CartService, phases: int, again: int) -> None:
    """Wherever the client dies, twice over, the user has each line once and the guest none."""
    guest_and_user(cart)

    for last_phase in (phases, again, 3, 3):
        merge_guest(cart, phases=last_phase)

    assert read(cart)[6] == MERGED
    assert read(cart, "g-7")[1:5] == [0, 0, "", 0]


def test_merge_that_does_not_fit_leaves_both_carts(cart: CartService) -> None:
    """All lines or none, and the guest keeps them."""
    fill(cart)
    add(cart, "r1", "MUG-3", user="g-7")
    before = snapshot(cart)

    assert refusal(lambda: merge_guest(cart)) == "CARTFULL"
    assert snapshot(cart) == before


def test_guest_who_shops_on_between_the_phases_keeps_the_cart(cart: CartService) -> None:
    """The cart is cleared only at the version that was merged."""
    guest_and_user(cart)
    version = read(cart, "g-7")[0]
    merge_guest(cart, phases=2)
    add(cart, "r3", "PEN-7", user="g-7")

    code = refusal(lambda: write(cart, "clear_cart", f"m{version}", version, user="g-7"))

    assert code == "CARTVERSION"
    assert read(cart, "g-7")[1] == 3


# The lock


def release(cart: CartService, token: str) -> int:
    """Give user 42's lock back."""
    return int(cart.call("release_cart_lock", keys_of("42", "lock"), [token]))


def test_lock_is_held_by_one_token_and_released_by_it_alone(cart: CartService) -> None:
    """Who is refused learns how long the lock lives, and can't take it away."""
    fence, milliseconds = acquire(cart, TOKEN)

    assert fence > 0
    assert milliseconds == RULES["lock_ttl_seconds"] * 1000
    before = snapshot(cart)
    refused, left = acquire(cart, OTHER_TOKEN)
    assert refused == 0
    assert 0 < left <= milliseconds
    assert release(cart, OTHER_TOKEN) == 0
    assert snapshot(cart) == before
    assert release(cart, TOKEN) == 1
    assert release(cart, TOKEN) == 0
    assert acquire(cart, OTHER_TOKEN)[0] > fence


def test_asking_again_with_the_token_renews_the_lock(cart: CartService) -> None:
    """A retry gets the number of the first call."""
    fence, milliseconds = acquire(cart, TOKEN)
    cart.client.expire("cart:lock:{42}", 1)

    assert acquire(cart, TOKEN) == [fence, milliseconds]
    assert int(cart.client.ttl("cart:lock:{42}")) > 1


def test_fencing_number_rises_over_expiry_clearing_and_loss_of_the_cart(
    cart: CartService,
) -> None:
    """The number lives in the cart, and never falls behind the clock."""
    numbers = []
    for lost in ([], ["cart:lock:{42}"], ["cart:lock:{42}", "cart:{42}"]):
        for name in lost:
            cart.client.pexpire(name, 1)
            while cart.client.exists(name):
                pass
        numbers.append(acquire(cart, TOKEN)[0])
        write(cart, "clear_cart", f"r{len(numbers)}", "")

    assert numbers == sorted(set(numbers))
    assert 0 < int(cart.client.ttl("cart:{42}")) <= RULES["cart_ttl_seconds"]


def test_fencing_number_rises_under_a_clock_that_fell_behind(cart: CartService) -> None:
    """A failover may bring a slower clock; a lock alone makes a cart that expires."""
    ahead = 4_000_000_000_000
    cart.client.hset("cart:{42}", "fence", ahead)

    assert acquire(cart, TOKEN)[0] == ahead + 1
    assert 0 < int(cart.client.ttl("cart:{42}")) <= RULES["cart_ttl_seconds"]


def test_fencing_keeps_a_late_holder_out(cart: CartService) -> None:
    """What the lock protects refuses a number below the highest it has seen."""
    accepted: list[int] = []

    def protected_write(fence: int) -> bool:
        if accepted and fence < accepted[-1]:
            return False
        accepted.append(fence)
        return True

    slow, _ = acquire(cart, TOKEN)
    cart.client.delete("cart:lock:{42}")
    fast, _ = acquire(cart, OTHER_TOKEN)

    assert protected_write(fast)
    assert not protected_write(slow)
    assert release(cart, TOKEN) == 0


@pytest.mark.parametrize("token", ["", "x" * 19, "x" * 129])
def test_a_token_that_could_be_guessed_is_refused(cart: CartService, token: str) -> None:
    """20 bytes at least."""
    assert refusal(lambda: acquire(cart, token)) == "CARTTOKEN"
    assert refusal(lambda: release(cart, token)) == "CARTTOKEN"
    assert snapshot(cart) == {}


# Cleaning up


def cleanup(cart: CartService, *days: str) -> list[int]:
    """Clean user 42's keys and the metrics of these days."""
    metrics = [f"cart:metrics:{{42}}:{day}" for day in days]
    answer: list[int] = cart.call("cleanup_expired_carts", [*keys_of("42", "cart", "seen", "lock"), *metrics], [])
    return answer


def test_cleanup_gives_each_key_the_ttl_that_it_lost(cart: CartService) -> None:
    """The cart what is left of its 30 days, an orphaned lock one last term; twice is once."""
    add(cart, "r1", "BOOK-1")
    acquire(cart, TOKEN)
    names = keys_of("42", "cart", "seen", "lock")
    for name in names:
        cart.client.persist(name)
    a_day_ago = int((datetime.now(UTC) - timedelta(days=1)).timestamp() * 1000)
    cart.client.hset("cart:{42}", "updated_at", a_day_ago)

    assert cleanup(cart) == [1, 1, 1, 0]
    assert cleanup(cart) == [0, 0, 0, 0]

    left = [int(cart.client.ttl(name)) for name in names]
    expected = [
        RULES["cart_ttl_seconds"] - 86_400,
        RULES["seen_ttl_seconds"],
        RULES["lock_ttl_seconds"],
    ]
    assert all(most - 5 <= found <= most for found, most in zip(left, expected, strict=True))


def test_cleanup_removes_a_cart_whose_time_is_over(cart: CartService) -> None:
    """Without a TTL it would stay for ever."""
    add(cart, "r1", "BOOK-1")
    cart.client.persist("cart:{42}")
    cart.client.hset("cart:{42}", "updated_at", 1_600_000_000_000)

    assert cleanup(cart) == [1, 0, 0, 0]
    assert not cart.client.exists("cart:{42}")


def test_cleanup_removes_old_metrics_and_keeps_the_rest(cart: CartService) -> None:
    """A day is kept for 90 days after its end, by the server's clock."""
    seconds, _ = cart.client.time()
    today = datetime.fromtimestamp(int(seconds), UTC).date()
    kept = RULES["metrics_ttl_seconds"] // 86_400
    ages = [0, kept, kept + 1, kept + 400]
    days = [(today - timedelta(days=age)).isoformat() for age in ages]
    for day in days:
        cart.client.hset(f"cart:metrics:{{42}}:{day}", "added", 1)
    cart.client.expire(f"cart:metrics:{{42}}:{days[2]}", 1000)

    assert cleanup(cart, *days) == [0, 0, 0, 4]
    assert cleanup(cart, *days) == [0, 0, 0, 0]

    left = [int(cart.client.ttl(f"cart:metrics:{{42}}:{day}")) for day in days]
    assert [seconds > 0 for seconds in left] == [True, True, False, False]
    assert left[0] > RULES["metrics_ttl_seconds"]
    assert left[1] <= 86_400


def test_cleanup_leaves_a_live_cart_alone(cart: CartService) -> None:
    """Nothing to repair, nothing written."""
    add(cart, "r1", "BOOK-1")
    acquire(cart, TOKEN)
    before = snapshot(cart)

    assert cleanup(cart, DAY) == [0, 0, 0, 0]
    assert snapshot(cart) == before


def test_cleanup_takes_a_bounded_number_of_keys(cart: CartService) -> None:
    """The server waits for a script, so that none may run for long."""
    assert refusal(lambda: cleanup(cart, *[DAY] * 201)) == "CARTKEYS"
    assert cleanup(cart, *[DAY] * 200) == [0, 0, 0, 0]


# Concurrency


def run_together(count: int, work: Callable[[int], None]) -> None:
    """Run work in threads that start at one barrier."""
    barrier = threading.Barrier(count)

    def body(number: int) -> None:
        barrier.wait()
        work(number)

    threads = [threading.Thread(target=body, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_twenty_threads_adding_to_one_cart_lose_and_double_nothing(cart: CartService) -> None:
    """Each sends every request twice: 99 units fit in the shared line, the hundredth is refused."""
    refused: list[str] = []

    def work(number: int) -> None:
        for turn in range(5):
            request = f"shared-{number}-{turn}"
            for _ in range(2):
                try:
                    add(cart, request, "SHARED", 1, 7)
                except redis.ResponseError as error:
                    refused.append(str(error).split(" ", 1)[0])
        for _ in range(2):
            add(cart, f"own-{number}", f"OWN-{number}", 3, 11)

    run_together(20, work)

    assert refused == ["CARTQTY", "CARTQTY"]
    assert read(cart)[:5] == [119, 21, 99 + 60, "USD", 99 * 7 + 60 * 11]
    assert cart.client.hget(f"cart:metrics:{{42}}:{DAY}", "added") == "119"


def test_of_twenty_threads_one_gets_the_lock(cart: CartService) -> None:
    """And one request id sent by all is done once."""
    fences: list[int] = []
    versions: list[int] = []

    def work(number: int) -> None:
        fences.append(acquire(cart, f"token-of-thread-{number:010}")[0])
        versions.append(add(cart, "same", "BOOK-1")[0])

    run_together(20, work)

    assert sorted(fence > 0 for fence in fences) == [False] * 19 + [True]
    assert versions == [1] * 20


# Any sequence of requests


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a generated sequence; `retry_of` sends an earlier one again."""

    request_id: str = ""
    name: str = ""
    args: tuple[object, ...] = ()
    retry_of: int | None = None


@dataclass(slots=True)
class Model:
    """The cart as a few lines of Python."""

    version: int = 0
    currency: str = ""
    lines: dict[str, tuple[int, int]] = field(default_factory=dict)
    seen: dict[str, tuple[Request, Answer]] = field(default_factory=dict)

    def send(self, request: Request) -> Answer | str:
        """Return the answer or the error's code that the server must give."""
        if request.request_id in self.seen:
            known, answer = self.seen[request.request_id]
            return answer if known == request else "CARTREQUEST"
        lines, currency = dict(self.lines), self.currency
        outcome = getattr(self, request.name)(*request.args)
        if isinstance(outcome, str):
            self.lines, self.currency = lines, currency
            return outcome
        if self.total() > LARGEST:
            self.lines, self.currency = lines, currency
            return "CARTTOTAL"
        self.version += 1
        if not self.lines:
            self.currency = ""
        answer = [*self.summary(), *outcome]
        self.seen[request.request_id] = (request, answer)
        return answer

    def total(self) -> int:
        """Sum the lines."""
        return sum(quantity * price for quantity, price in self.lines.values())

    def summary(self) -> Answer:
        """Return what every write answers."""
        quantity = sum(quantity for quantity, _ in self.lines.values())
        return [self.version, len(self.lines), quantity, self.currency, self.total()]

    def add_item_to_cart(self, sku: str, quantity: int, price: int, currency: str) -> str | list[int]:
        """Add to a line."""
        if not 1 <= quantity <= RULES["maximum_quantity"]:
            return "CARTQTY"
        held = self.lines[sku][0] if sku in self.lines else 0
        if held + quantity > RULES["maximum_quantity"]:
            return "CARTQTY"
        if sku not in self.lines and len(self.lines) >= RULES["maximum_lines"]:
            return "CARTFULL"
        if self.currency not in ("", currency):
            return "CARTCURRENCY"
        self.lines[sku] = (held + quantity, price)
        self.currency = currency
        return []

    def remove_item_from_cart(self, sku: str) -> str | list[int]:
        """Take a line out."""
        return [] if self.lines.pop(sku, None) else "CARTLINE"

    def update_item_quantity(self, sku: str, quantity: int, version: object) -> str | list[int]:
        """Set a line's quantity."""
        if not 1 <= quantity <= RULES["maximum_quantity"]:
            return "CARTQTY"
        if version not in ("", self.version):
            return "CARTVERSION"
        if sku not in self.lines:
            return "CARTLINE"
        self.lines[sku] = (quantity, self.lines[sku][1])
        return []

    def clear_cart(self, version: object) -> str | list[int]:
        """Take every line out."""
        if version not in ("", self.version):
            return "CARTVERSION"
        self.lines = {}
        return []

    def merge_carts(self, payload: str, currency: str) -> str | list[int]:
        """Add many lines, capped."""
        capped = set()
        for sku, quantity, price in json.loads(payload):
            held = self.lines[sku][0] if sku in self.lines else 0
            if held + quantity > RULES["maximum_quantity"]:
                capped.add(sku)
            self.lines[sku] = (min(held + quantity, RULES["maximum_quantity"]), price)
        if len(self.lines) > RULES["maximum_lines"]:
            return "CARTFULL"
        if self.currency not in ("", currency):
            return "CARTCURRENCY"
        self.currency = currency
        return [len(capped)]


few_skus = st.integers(0, 2).map("SKU-{}".format)
many_skus = st.integers(0, 69).map("SKU-{}".format)
skus = few_skus | many_skus
quantities = st.integers(1, 40) | st.integers(0, RULES["maximum_quantity"] + 1)
prices = st.integers(0, 10**6) | st.sampled_from([LARGEST, LARGEST // 99])
currencies = st.sampled_from(["USD"] * 19 + ["KWD"])
versions: st.SearchStrategy[object] = st.sampled_from([""] * 30 + list(range(40)))
items = st.tuples(skus, st.integers(1, RULES["maximum_quantity"]), st.integers(0, 10**6))
crowd = st.lists(many_skus, min_size=25, max_size=50).map(lambda names: [(name, 1, 100) for name in names])
payloads = (st.lists(items, max_size=5) | crowd).map(json.dumps)
# Empty: an id of its own. Else one that others have too.
request_ids = st.sampled_from([""] * 9 + ["shared-1", "shared-2"])
adding = st.builds(
    Request,
    request_ids,
    st.just("add_item_to_cart"),
    st.tuples(skus, quantities, prices, currencies),
)
removing = st.builds(Request, request_ids, st.just("remove_item_from_cart"), st.tuples(few_skus))
updating = st.builds(
    Request,
    request_ids,
    st.just("update_item_quantity"),
    st.tuples(few_skus, quantities, versions),
)
merging = st.builds(Request, request_ids, st.just("merge_carts"), st.tuples(payloads, currencies))
clearing = st.builds(Request, request_ids, st.just("clear_cart"), st.tuples(versions))
retrying = st.builds(Request, retry_of=st.integers(0, 40))
requests = st.one_of(adding, adding, adding, adding, removing, updating, updating, merging, clearing, retrying)


def as_sent(drawn: list[Request]) -> list[Request]:
    """Give each request its id, and put the earlier request where one is retried."""
    sent: list[Request] = []
    for number, request in enumerate(drawn):
        if request.retry_of is None:
            sent.append(replace(request, request_id=request.request_id or f"r{number}"))
        elif sent:
            sent.append(sent[request.retry_of % len(sent)])
    return sent


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(sequence=st.lists(requests, min_size=15, max_size=40).map(as_sent))
def test_any_sequence_of_requests_ends_as_the_model_says(cart: CartService, sequence: list[Request]) -> None:
    """Retries and duplicates included, totals equal the lines and no limit is passed."""
    cart.client.flushdb()
    model = Model()
    for request in sequence:
        expected = model.send(request)

        try:
            found: Answer | str = write(cart, request.name, request.request_id, *request.args)
        except redis.ResponseError as error:
            found = str(error).split(" ", 1)[0]

        assert found == expected
        version, lines, quantity, currency, total, _, items = read(cart)
        assert [version, lines, quantity, currency, total] == model.summary()
        assert {sku: (held, price) for sku, held, price in items} == model.lines
        assert total == sum(held * price for _, held, price in items)
        assert lines == len(items) <= RULES["maximum_lines"]
        assert all(1 <= held <= RULES["maximum_quantity"] for _, held, _ in items)
