"""The module that `dbkit client cart` makes leads a cart through its whole life: sync and async, on one node and on a cluster."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis
import redis.asyncio

from cart.carts import FORMS, ROOT, RULES, SCRIPTS, TOKEN, CartService, read
from dbkit.project.manifest import find_project
from dbkit.redis.client import generate

Caller = Callable[..., Awaitable[Any]]


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """Give the generated module, imported from its file."""
    path: Path = tmp_path_factory.mktemp("client") / "cart_scripts.py"
    path.write_text(generate(find_project(ROOT), "cart"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("cart_scripts", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["cart_scripts"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["cart_scripts"]


def twin(cart: CartService, *, is_async: bool, decode_responses: bool) -> Any:
    """Return another client of the fixture's server."""
    driver: Any = redis.asyncio if is_async else redis
    if isinstance(cart.client, redis.RedisCluster):
        node = cart.client.get_primaries()[0]
        return driver.RedisCluster(host=node.host, port=node.port, decode_responses=decode_responses)
    given = cart.client.connection_pool.connection_kwargs
    place = {"unix_socket_path": given["path"]} if "path" in given else {"host": given["host"], "port": given["port"]}
    return driver.Redis(**place, decode_responses=decode_responses)


async def lead(call: Caller, forget: Callable[[], object], module: ModuleType) -> None:
    """Lead a cart through its life."""
    first = await call("add_item_to_cart", user_id="42", request_id="r1", sku="BOOK-1", quantity=2, unit_price=1999, currency="USD")
    assert (first.version, first.lines, first.quantity, first.currency, first.total) == (1, 1, 2, "USD", 3998)
    forget()
    again = await call("add_item_to_cart", user_id="42", request_id="r1", sku="BOOK-1", quantity=2, unit_price=1999, currency="USD")
    assert again == first

    with pytest.raises(module.CartQtyError, match="the line holds 2 and at most 99") as refused:
        await call("add_item_to_cart", user_id="42", request_id="r2", sku="BOOK-1", quantity=98, unit_price=1999, currency="USD")
    assert refused.value.code == "CARTQTY"
    assert isinstance(refused.value, redis.ResponseError)
    with pytest.raises(module.CartVersionError):
        await call("update_item_quantity", user_id="42", request_id="r3", sku="BOOK-1", quantity=1, version=7)
    await call("update_item_quantity", user_id="42", request_id="r3", sku="BOOK-1", quantity=1, version=1)

    await call("add_item_to_cart", user_id="g-7", request_id="r1", sku="MUG ☕", quantity=3, unit_price=800, currency="USD")
    guest = await call("get_cart", user_id="g-7")
    assert guest.items == (("MUG ☕", 3, 800),)
    assert guest.items[0].unit_price == 800
    merged = await call(
        "merge_carts", user_id="42", guest_id="g-7", since=guest.since, version=guest.version, items=guest.items, currency=guest.currency
    )
    assert (merged.lines, merged.capped) == (2, 0)
    request = f"merge:g-7:{guest.since}:{guest.version}"
    assert (await call("clear_cart", user_id="g-7", request_id=request, version=guest.version)).lines == 0
    assert (await call("remove_item_from_cart", user_id="42", request_id="r4", sku="BOOK-1")).total == 2400

    lock = await call("acquire_cart_lock", user_id="42", token=TOKEN)
    assert lock.fence > 0
    assert await call("release_cart_lock", user_id="42", token=TOKEN) is True
    assert await call("release_cart_lock", user_id="42", token=TOKEN) is False
    today = datetime.now(UTC).date()
    cleaned = await call("cleanup_expired_carts", user_id="42", days=[today, today - timedelta(days=400)])
    assert (cleaned.carts, cleaned.seen, cleaned.locks, cleaned.days) == (0, 0, 0, 0)
    with pytest.raises(ValueError, match="user_id is empty or holds a brace"):
        await call("get_cart", user_id="{42}")


@pytest.mark.parametrize("decode_responses", [True, False])
@pytest.mark.parametrize("functions", FORMS)
def test_a_cart_lives_by_typed_methods(cart: CartService, module: ModuleType, *, functions: bool, decode_responses: bool) -> None:
    """Keys are made, numbers sent along, forgotten scripts sent again, codes raised as exceptions, answers typed."""
    with twin(cart, is_async=False, decode_responses=decode_responses) as client:
        scripts = module.CartScripts(client, functions=functions)

        async def call(name: str, **given: object) -> Any:
            return getattr(scripts, name)(**given)

        asyncio.run(lead(call, cart.client.script_flush, module))
    assert read(cart)[6] == [["MUG ☕", 3, 800]]
    assert cart.client.hget(f"cart:metrics:{{42}}:{datetime.now(UTC).date()}", "added") == "1"


@pytest.mark.parametrize("functions", FORMS)
def test_a_cart_lives_by_awaited_methods(cart: CartService, module: ModuleType, *, functions: bool) -> None:
    """The same over redis.asyncio."""

    async def run() -> None:
        async with twin(cart, is_async=True, decode_responses=True) as client:
            scripts = module.AsyncCartScripts(client, functions=functions)

            async def call(name: str, **given: object) -> Any:
                return await getattr(scripts, name)(**given)

            await lead(call, cart.client.script_flush, module)
            outcome = await scripts.run_all([module.CartCalls.get_cart(user_id="42"), module.CartCalls.get_cart(user_id="g-7")])
            assert [found.lines for found in outcome] == [1, 0]

    asyncio.run(run())


@pytest.mark.parametrize("functions", FORMS)
def test_calls_of_many_users_go_in_one_pipeline(cart: CartService, module: ModuleType, *, functions: bool) -> None:
    """Each answer stands in its place, and so does the error of a call that was refused."""
    calls = [
        module.CartCalls.add_item_to_cart(
            user_id=str(user), request_id="r1", sku="PEN-7", quantity=quantity, unit_price=150, currency="USD"
        )
        for user, quantity in ((1, 1), (2, 100), (3, 3))
    ]
    with twin(cart, is_async=False, decode_responses=True) as client:
        cart.client.script_flush()
        first, second, third = module.CartScripts(client, functions=functions).run_all(calls)

    assert (first.total, third.total) == (150, 450)
    assert isinstance(second, module.CartQtyError)


@pytest.mark.parametrize("name", SCRIPTS)
def test_header_agrees_with_the_signature(module: ModuleType, name: str) -> None:
    """A method takes what the keys and ARGV need, once each, and the numbers are the manifest's; the async one takes the same."""
    header = SCRIPTS[name].header
    placeholders = {part.name + ("s" if key.is_open and part.is_date else "") for key in header.keys for part in key.placeholders}
    wanted = placeholders | {argument.name for argument in header.arguments}

    for scripts in (module.CartScripts, module.AsyncCartScripts):
        assert set(inspect.signature(getattr(scripts, name)).parameters) - {"self"} == wanted
    assert getattr(module, f"_{name.upper()}").rules == SCRIPTS[name].rule_values(RULES)
