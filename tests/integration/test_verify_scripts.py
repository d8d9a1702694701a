"""Redis forgets scripts: `verify` says which, and `--heal` loads them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from scratch import Scratch

if TYPE_CHECKING:
    import redis

LUA = """
--[[
greet: says hello
KEYS
  1 name    name:{<user>}
ARGV
RETURNS
  greeting  text
ERRORS
FLAGS
  no-writes
]]
return 'hello ' .. redis.call('GET', KEYS[1])
"""


@pytest.fixture
def cart(scratch: Scratch, dbkit_redis: redis.Redis) -> Scratch:
    """A project whose service `cart` is on that Redis, its script loaded."""
    dbkit_redis.flushall()
    dbkit_redis.script_flush()
    dbkit_redis.function_flush()
    path = dbkit_redis.connection_pool.connection_kwargs["path"]
    scratch.write(
        "dbkit.toml",
        f"""
        [project]
        name = "scratch"
        default_environment = "here"
        [services.cart]
        engine = "redis"
        [environments.here]
        redis_url = "unix://{path}"
        """,
    )
    scratch.write("lua/cart/greet.lua", LUA)
    scratch.call("migrate", code=0)
    return scratch


def test_what_is_loaded_is_no_drift(cart: Scratch) -> None:
    assert "no drift" in cart.call("verify", code=0).out


@pytest.mark.parametrize("forget", ["script_flush", "function_flush"])
def test_what_the_server_forgot_is_named_and_healed(cart: Scratch, dbkit_redis: redis.Redis, forget: str) -> None:
    getattr(dbkit_redis, forget)()

    told = cart.call("verify", "cart", code=1).out
    assert ("greet" if forget == "script_flush" else "the function library") in told

    assert "loaded" in cart.call("verify", "cart", "--heal", code=0).out
    assert "no drift" in cart.call("verify", "cart", code=0).out
    assert dbkit_redis.set("name:{1}", "Ada")
    assert dbkit_redis.fcall("greet", 1, "name:{1}") == "hello Ada"


def test_an_edited_script_is_drift_until_it_is_released(cart: Scratch) -> None:
    """--heal brings back what was released; what is new is a release."""
    cart.write("lua/cart/greet.lua", LUA.replace("hello", "goodbye"))

    assert "greet" in cart.call("verify", "cart", code=1).out
    assert "dbkit migrate cart loads them" in cart.call("verify", "cart", "--heal", code=1).err
    cart.call("migrate", "cart", code=0)
    cart.call("verify", "cart", "--heal", code=0)


def test_healing_is_a_run_like_another(cart: Scratch, dbkit_redis: redis.Redis) -> None:
    """It waits for the run that has the lease, and the journal says who it was."""
    dbkit_redis.script_flush()
    dbkit_redis.set("dbkit:{scratch_cart}:lease", "1|somebody", px=1500)

    assert "waiting for another run: somebody" in cart.call("verify", "cart", "--heal", code=0).err
    journal: Any = dbkit_redis.xrange("dbkit:{scratch_cart}:journal")
    events = [fields["event"] for _, fields in journal]
    assert events == ["loaded", "loaded"]


def test_there_is_no_sql_for_a_service_on_redis(cart: Scratch) -> None:
    assert "lives on Redis" in cart.call("verify", "cart", "--sql", code=2).err
