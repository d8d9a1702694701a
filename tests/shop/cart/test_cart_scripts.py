"""The scripts as text: header, body, library; and what the manual says of them."""

from __future__ import annotations

import re
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from cart.carts import FORMS, ROOT, RULES, SCRIPTS, CartService, keys_of, read
from dbkit.project.manifest import find_project


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
    """KEYS, ARGV with the rules behind them, and ERRORS are what the body takes and raises, under the same names."""
    header = SCRIPTS[name].header
    _, _, body = SCRIPTS[name].path.read_text(encoding="utf-8").partition("\n]]\n")
    positions = [*(argument.name for argument in header.arguments), *header.rules]

    assert header.name == name
    assert bound_names(body, "KEYS") == {n: f"{key.name}_key" for n, key in enumerate(header.keys, 1) if not key.is_open}
    assert bound_names(body, "ARGV") == dict(enumerate(positions, start=1))
    assert body.count("KEYS[") == len(header.keys)
    assert body.count("ARGV[") == len(positions)
    texts = len(header.arguments) + ("currencies" in header.rules)
    assert f"check_arguments({texts}, {len(positions) - texts})" in body
    assert set(re.findall(r'"(CART[A-Z]+) ', SCRIPTS[name].body)) == {error.code for error in header.errors}
    assert set(header.rules) <= set(RULES)
    assert header.flags in {(), ("no-writes",), ("allow-oom",)}


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_is_static_text_for_both_forms(name: str) -> None:
    """No shebang, no template, one level of includes, lines of 100 columns at most."""
    text = SCRIPTS[name].path.read_text(encoding="utf-8")

    assert "#!" not in text
    assert "{{" not in text
    assert "-- include:" not in SCRIPTS[name].body
    assert all(len(line) <= 100 for line in SCRIPTS[name].body.splitlines())


def test_every_script_of_the_spec_is_there() -> None:
    """The names are fixed, because people call them."""
    assert list(SCRIPTS) == [
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


def test_the_rules_numbers_are_the_specs_and_its_currencies_the_shops() -> None:
    """Everything else takes them from the manifest, so that nothing else would notice another number there."""
    services = find_project(ROOT).manifest.services

    assert {name: value for name, value in RULES.items() if name not in {"currencies", "maximum_merged"}} == {
        "maximum_lines": 50,
        "maximum_quantity": 99,
        "cart_ttl_seconds": 30 * 86_400,
        "lock_ttl_seconds": 30,
        "metrics_ttl_seconds": 90 * 86_400,
        "seen_ttl_seconds": 86_400,
        "maximum_seen": 100,
    }
    tables = [service.rules["currencies"] for service in services.values() if "currencies" in service.rules]
    assert len(tables) >= 3
    assert all(table == RULES["currencies"] for table in tables)


def test_every_error_code_is_in_the_manual() -> None:
    """docs/shop/cart.md has one row a code, and no code that nothing raises."""
    raised = {error.code for script in SCRIPTS.values() for error in script.header.errors}
    manual = (ROOT / "docs/shop/cart.md").read_text(encoding="utf-8")

    assert set(re.findall(r"^\| `(CART[A-Z]+)` \|", manual, re.MULTILINE)) == raised


def test_bodies_run_as_functions_of_one_library(cart: CartService) -> None:
    """Redis 7 and Valkey take the same bodies as a library, whose functions answer as the scripts do. Redis 6.2 knows none, and says so."""
    rules = SCRIPTS["add_item_to_cart"].rule_values(RULES)
    keys = keys_of("42", "cart", "seen", "metrics")
    arguments: list[Any] = [*keys, "r1", "BOOK-1", 2, 1999, "USD", *rules]

    if FORMS == [False]:
        with pytest.raises(redis.RedisError, match=r"unknown command|doesn't exist"):
            cart.client.fcall("add_item_to_cart", 3, *arguments)
        return
    assert cart.client.fcall("add_item_to_cart", 3, *arguments) == [1, 1, 2, "USD", 3998]
    assert cart.client.fcall_ro("get_cart", 1, keys[0]) == read(cart)


def test_keys_of_a_user_share_one_slot_on_every_day() -> None:
    """The braces are literal, and the date has none."""
    names = keys_of("42", "cart", "seen", "lock", "metrics")

    assert {key_slot(name.encode()) for name in [*names, "cart:metrics:{42}:2020-02-29"]} == {8000}
    assert key_slot(b"cart:{guest-7}") != 8000
