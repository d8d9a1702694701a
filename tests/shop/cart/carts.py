"""What the tests of the cart share: keys, calls, what a refusal is, what every key holds."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
import redis

from dbkit.project.manifest import find_project
from dbkit.redis.scripts import FUNCTIONS_SINCE, LuaScript, load_scripts
from redis_load import wanted_program

ROOT = Path(__file__).parents[3]
RULES: dict[str, Any] = tomllib.loads((ROOT / "dbkit.toml").read_text(encoding="utf-8"))["services"]["cart"]["rules"]
SCRIPTS: dict[str, LuaScript] = {script.name: script for script in load_scripts(find_project(ROOT), "cart")}
LARGEST = 2**53 - 1
DAY = "2026-11-22"
TOKEN, OTHER_TOKEN = "holder-" + "a" * 32, "holder-" + "b" * 32


def _has_functions() -> bool:
    """Say whether the tests' server has functions: Redis 7 and Valkey have, 6.2 has not."""
    program = wanted_program()
    if program is None:
        return True
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"v=(\d+)", told)[1]) >= FUNCTIONS_SINCE  # type: ignore[index]


# the forms of a body that the server takes: scripts, and functions
FORMS = [False, True] if _has_functions() else [False]

Answer = list[Any]
Items = list[tuple[str, int, int]]


class CartService(Protocol):
    """What the fixture `redis_service` gives."""

    client: redis.Redis

    def call(self, name: str, keys: list[str], args: list[object]) -> Any:
        """Run a script with the manifest's numbers behind its arguments."""


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


def write_under(cart: CartService, rules: dict[str, int], name: str, *args: object) -> Answer:
    """Call a script with other numbers than the manifest's."""
    script = SCRIPTS[name]
    arguments: list[Any] = [*keys_of("42", "cart", "seen", "metrics"), *args, *script.rule_values(RULES | rules)]
    answer: Answer = cart.client.eval(script.body, 3, *arguments)
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


def merge(cart: CartService, items: Items, *, version: int = 1, since: int = 1, guest: str = "g-7") -> Answer:
    """Merge a guest's lines, read at that version, into user 42's cart."""
    return write(cart, "merge_carts", guest, since, version, json.dumps(items), "USD" if items else "")


def read(cart: CartService, user: str = "42") -> Answer:
    """Read a cart."""
    answer: Answer = cart.call("get_cart", keys_of(user, "cart"), [])
    return answer


def acquire(cart: CartService, token: str) -> Answer:
    """Ask for user 42's lock."""
    answer: Answer = cart.call("acquire_cart_lock", keys_of("42", "cart", "lock", "metrics"), [token])
    return answer


def fill(cart: CartService) -> None:
    """Bring the cart to its last line but none, one of them at its last unit."""
    for number in range(RULES["maximum_lines"]):
        quantity = RULES["maximum_quantity"] if number == 0 else 1
        add(cart, f"fill-{number}", f"SKU-{number}", quantity, 100)


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
