"""The application's user of a Redis service may do what its scripts do, and nothing else; tried by logging in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import redis

from dbkit.redis import server as valkey
from dbkit.redis.connect import open_client
from dbkit.redis.throwaway import throwaway_redis
from redis_load import ROOT, client_module, wanted_program
from scratch import Scratch

PASSWORD = "canary-of-the-app"


@pytest.fixture(scope="module")
def server() -> Iterator[valkey.Server]:
    with throwaway_redis(wanted_program()) as server:
        yield server


@pytest.fixture
def app(server: valkey.Server, scratch: Scratch) -> Iterator[redis.Redis]:
    """The app's user, made by what `dbkit acl` prints, and logged in."""
    told = scratch.call("--project", str(ROOT), "acl", "cart", "--url", server.url, code=0).out
    with server.client() as admin:
        admin.flushall()
        admin.execute_command(*told.split(), f">{PASSWORD}")
        assert admin.execute_command(*told.split())  # once more changes nothing, the password included
    with open_client_as_app(server) as client:
        yield client


def open_client_as_app(server: valkey.Server) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(server.socket), username="shop_cart_app", password=PASSWORD, decode_responses=True)


def test_commands_are_found_however_a_script_quotes_them(server: valkey.Server, scratch: Scratch) -> None:
    scratch.write(
        "dbkit.toml",
        """
        [project]
        name = "p"
        default_environment = "here"
        [services.cart]
        engine = "redis"
        [environments.here]
        """,
    )
    header = "--[[\ngreet: says hello\nKEYS\n  1 name    name:{<user>}\nARGV\nRETURNS\n  greeting  text\nERRORS\nFLAGS\n]]\n"
    scratch.write("lua/cart/greet.lua", header + "redis.call('INCR', KEYS[1])\nreturn redis.pcall( \"GET\", KEYS[1])\n")

    words = scratch.call("acl", "cart", "--url", server.url, code=0).out.split()

    assert {"+incr", "+get"} <= set(words)
    assert "+asking" in words  # what a cluster's client says where a slot is moving


def test_every_script_runs_as_the_app(app: redis.Redis, server: valkey.Server, tmp_path: Path) -> None:
    """From the first call on a server that knows none of them."""
    module = client_module(tmp_path)
    with server.client() as admin:
        admin.script_flush()
    scripts = module.CartScripts(app)
    day = date(2026, 11, 22)
    given = {"user_id": "42", "day": day}
    scripts.add_item_to_cart(**given, request_id="r1", sku="BOOK-1", quantity=2, unit_price=1999, currency="USD")
    scripts.update_item_quantity(**given, request_id="r2", sku="BOOK-1", quantity=3)
    scripts.merge_carts(**given, guest_id="g", since=1, version=1, items=[("MUG", 1, 5)], currency="USD")
    scripts.remove_item_from_cart(**given, request_id="r3", sku="MUG")
    assert scripts.get_cart(user_id="42").total == 3 * 1999
    assert scripts.acquire_cart_lock(**given, token="t" * 30).fence
    assert scripts.release_cart_lock(user_id="42", token="t" * 30)
    scripts.cleanup_expired_carts(user_id="42", days=[day])
    assert scripts.clear_cart(**given, request_id="r4").total == 0


@pytest.mark.parametrize(
    "command",
    [
        "GET other:{42}",
        "HSET basket:{42} a 1",
        "FLUSHALL",
        "KEYS *",
        "SCAN 0",
        "CONFIG GET *",
        "ACL LIST",
        "SCRIPT FLUSH",
        "SHUTDOWN NOSAVE",
        "REPLICAOF NO ONE",
        "XADD dbkit:{shop_cart}:journal * event loaded",
        "EVAL return(redis.call('flushall')) 0",
        "EVAL return(redis.call('get','other:{42}')) 1 cart:{42}",
        "RENAME cart:{42} cart:{43}",
        "CLIENT LIST",
        "PUBLISH news x",
    ],
)
def test_the_app_can_do_nothing_else(app: redis.Redis, command: str) -> None:
    """Whatever script it makes up has no more than its own commands and keys."""
    with pytest.raises((redis.exceptions.NoPermissionError, redis.ResponseError), match=r"(?i)permission|can't run|access|NOPERM"):
        app.execute_command(*command.split())  # type: ignore[no-untyped-call]


def test_a_user_that_may_not_load_scripts_is_told_so(app: redis.Redis, server: valkey.Server, scratch: Scratch) -> None:
    """The error names what to look at, and no password."""
    del app
    url = f"unix://shop_cart_app:{PASSWORD}@{server.socket}"
    told = scratch.call("--project", str(ROOT), "migrate", "cart", "--url", url)

    assert told.code in {1, 3}
    assert "permission" in told.err.lower()
    assert PASSWORD not in told.out + told.err


def test_without_the_password_nobody_gets_in(app: redis.Redis, server: valkey.Server) -> None:
    del app
    with pytest.raises(redis.RedisError):
        open_client(f"unix://shop_cart_app:wrong@{server.socket}")
