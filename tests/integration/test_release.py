"""PostgreSQL and Redis are one release: scripts first, both under the run's id."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dbkit.redis.throwaway import throwaway_redis
from scratch import Scratch

SCRIPT = """--[[
hello: says so

KEYS
ARGV
RETURNS
  answer  integer
ERRORS
]]
return 1
"""


@pytest.fixture
def redis_url() -> Iterator[str]:
    with throwaway_redis() as server:
        yield server.url


@pytest.fixture
def both(scratch: Scratch, redis_url: str) -> Scratch:
    scratch.describe(environment=f'{scratch.environment()}\nredis_url = "{redis_url}"')
    manifest = (scratch.root / "dbkit.toml").read_text()
    scratch.write("dbkit.toml", manifest.replace("[services.main]", '[services.cart]\nengine = "redis"\n[services.main]'))
    scratch.write("lua/cart/hello.lua", SCRIPT)
    return scratch


def test_scripts_come_first_and_both_are_under_one_release(both: Scratch) -> None:
    both.migration("0001_a", "CREATE TABLE main.a ();")

    told = both.call("migrate", code=0).out

    assert told.index("1 script") < told.index("0001_a")
    services = {s["service"]: s for s in both.call("--format", "json", "status", code=0).document["services"]}
    assert services["cart"]["release"]["run"] == str(both.value("SELECT run FROM dbkit.journal WHERE event = 'applied'"))
    assert services["cart"]["release"]["environment"] == "here"
    assert services["cart"]["last"]


def test_a_migration_that_fails_leaves_the_scripts_loaded(both: Scratch) -> None:
    both.migration("0001_a", "SELECT 1 / 0;")

    both.call("migrate", code=1)

    assert both.call("--format", "json", "status", "cart", code=0).document["services"][0]["state"] == "up to date"


def test_a_run_that_loads_nothing_records_no_release(both: Scratch) -> None:
    both.call("migrate", code=0)
    before = both.call("--format", "json", "status", "cart", code=0).document["services"][0]["release"]
    both.migration("0001_a", "CREATE TABLE main.a ();")
    both.call("migrate", code=0)

    assert both.call("--format", "json", "status", "cart", code=0).document["services"][0]["release"] == before
