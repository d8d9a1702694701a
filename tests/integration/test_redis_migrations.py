"""Key formats change by versioned scripts: over every key, once, resumed wherever a run died, and back again."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dbkit.redis import server as valkey
from dbkit.redis.headers import read_header
from dbkit.redis.sweep import calls_of, glob_of
from dbkit.redis.throwaway import throwaway_redis
from redis_load import wanted_program
from scratch import PATIENCE, Scratch, until

if TYPE_CHECKING:
    import redis

SPLIT = """\
--[[
0001_split_price: `<quantity>|<price>` becomes two fields. What new scripts write meanwhile has both,
and is left alone.

KEYS
  1 line        line:{<user>}:<sku>
EACH
  line
ARGV
RETURNS
  changed       flag
ERRORS
]]
local value = redis.call("HGET", KEYS[1], "value")
if not value then
    return 0
end
local quantity, price = string.match(value, "^(%d+)|(%d+)$")
if not quantity then
    return redis.error_reply("UNREADABLE the line is no quantity and price")
end
redis.call("HSET", KEYS[1], "quantity", quantity, "price", price)
redis.call("HINCRBY", KEYS[1], "times", 1)
return redis.call("HDEL", KEYS[1], "value")
"""

JOIN = """\
--[[
0001_split_price.rollback: two fields become one again.

KEYS
  1 line        line:{<user>}:<sku>
EACH
  line
ARGV
RETURNS
  changed       flag
ERRORS
]]
local held = redis.call("HMGET", KEYS[1], "quantity", "price")
if not held[1] then
    return 0
end
redis.call("HSET", KEYS[1], "value", held[1] .. "|" .. held[2])
redis.call("HDEL", KEYS[1], "quantity", "price", "times")
return 1
"""

# each line takes long enough for a run to be caught in the middle
BUSY = "local until_then = 0\nfor turn = 1, 60000 do until_then = until_then + turn end\n"


@pytest.fixture(scope="module")
def server() -> Iterator[valkey.Server]:
    """A server of this module's own, which may be stopped."""
    with throwaway_redis(wanted_program()) as server:
        yield server


@pytest.fixture
def client(server: valkey.Server) -> Iterator[redis.Redis]:
    valkey.start(server)
    with server.client() as client:
        client.flushall()
        client.config_resetstat()
        yield client


@pytest.fixture
def project(scratch: Scratch, server: valkey.Server, client: redis.Redis) -> Scratch:
    """A project whose one service is on that server, with a migration and its rollback."""
    del client
    scratch.write(
        "dbkit.toml",
        f"""
        [project]
        name = "scratch"
        default_environment = "here"
        [services.cart]
        engine = "redis"
        [environments.here]
        redis_url = "{server.url}"
        """,
    )
    scratch.write("migrations/cart/0001_split_price.lua", SPLIT)
    scratch.write("migrations/cart/0001_split_price.rollback.lua", JOIN)
    return scratch


def fill(client: redis.Redis, count: int) -> None:
    """Write lines in the old format, and keys that are none of the migration's business."""
    pipeline = client.pipeline(transaction=False)
    for number in range(count):
        pipeline.hset(f"line:{{{number % 7}}}:SKU {number}", "value", f"{number % 9}|{number}")
    pipeline.set("line:{a}b}:odd", "text")
    pipeline.set("online:{1}:x", "text")
    pipeline.set(b"line:{\xff\xfe}", "no SKU, no UTF-8")
    pipeline.execute()


def new_lines(client: redis.Redis, count: int) -> int:
    """Count the lines that have the new format, each changed exactly once."""
    pipeline = client.pipeline(transaction=False)
    for number in range(count):
        pipeline.hgetall(f"line:{{{number % 7}}}:SKU {number}")
    wanted = ({"quantity": str(number % 9), "price": str(number), "times": "1"} for number in range(count))
    return sum(found == right for found, right in zip(pipeline.execute(), wanted, strict=True))


def journal(client: redis.Redis) -> list[dict[str, str]]:
    entries: Any = client.xrange("dbkit:{scratch_cart}:journal")
    return [fields for _, fields in entries]


def changed(client: redis.Redis) -> int:
    """Return how many lines were changed since the counters were reset, without looking at them."""
    return int(client.info("commandstats").get("cmdstat_hincrby", {}).get("calls", 0))


def state(project: Scratch) -> dict[str, str]:
    found = project.call("--format", "json", "status", "cart", code=0).document["services"][0]["migrations"]
    return {migration["id"]: migration["state"] for migration in found}


def test_every_key_is_changed_once_and_back(project: Scratch, client: redis.Redis) -> None:
    """What the pattern does not match stays; the journal says how many there were, when, and by whom."""
    fill(client, 1000)
    before = {name: client.dump(name) for name in client.keys("*")}

    assert "for 1000 of 1003 keys" in project.call("migrate", "cart", "--dry-run", code=0).out
    assert {name: client.dump(name) for name in client.keys("*")} == before
    project.call("migrate", "cart", "--check", code=1)
    assert "1000 keys, 1000 changed" in project.call("migrate", "cart", code=0).out
    assert new_lines(client, 1000) == 1000
    assert "up to date" in project.call("migrate", "cart", code=0).out
    entries = journal(client)
    assert [entry["event"] for entry in entries] == ["started", "applied"]
    assert {"checksum", "rollback", "os_user", "host", "run", "release"} <= entries[1].keys()
    assert (entries[1]["scanned"], entries[1]["changed"]) == ("1000", "1000")

    assert "HSET" in project.call("rollback", "cart", "--dry-run", code=0).out
    project.write("migrations/cart/0001_split_price.rollback.lua", "-- gone wrong: the stored text counts")
    project.call("rollback", "cart", code=0)
    after = {name: client.dump(name) for name in client.keys("*") if not str(name).startswith("dbkit:")}
    assert after == before
    assert "nothing is applied" in project.call("rollback", "cart", code=0).out


@pytest.mark.usefixtures("client")
def test_a_service_without_scripts_has_none_to_miss(project: Scratch) -> None:
    project.call("migrate", code=0)

    project.call("verify", "cart", code=0)
    assert project.call("--format", "json", "status", code=0).document["services"][0]["state"] != "pending"


def test_killed_at_random_moments_it_ends_as_a_straight_run(project: Scratch, client: redis.Redis, server: valkey.Server) -> None:
    """Three kills, then a restart of the server, which makes its cursors worthless; each line is changed exactly once."""
    count = 1000
    fill(client, count)
    project.write("migrations/cart/0001_split_price.lua", SPLIT.replace("return redis.call(", BUSY + "return redis.call("))

    for number, wanted in enumerate((1, 150, 400)):
        run = project.start("migrate", "cart")
        until(lambda wanted=wanted, run=run: changed(client) > wanted or run.poll() is not None)  # type: ignore[misc]
        run.kill()
        run.communicate()
        assert state(project) == {"0001_split_price": "in progress"}
        if number:  # the lease of the first is waited for, the others' end here
            client.delete("dbkit:{scratch_cart}:lease")
    run = project.start("migrate", "cart")
    until(lambda: changed(client) > 600 or run.poll() is not None)
    assert run.poll() is None
    valkey.stop(server)
    valkey.start(server)
    out, err = run.communicate(timeout=2 * PATIENCE)
    assert (run.returncode, "resumed" in out) == (0, True), err
    assert new_lines(client, count) == count
    assert state(project) == {"0001_split_price": "applied"}


def test_of_two_runs_one_works_and_the_other_ends_with_4(project: Scratch, client: redis.Redis) -> None:
    """The second names who holds the lease; one that waits finds the work done."""
    fill(client, 400)
    project.write("migrations/cart/0001_split_price.lua", SPLIT.replace("return redis.call(", BUSY + "return redis.call("))
    first = project.start("migrate", "cart")
    until(lambda: changed(client) > 10)

    refused = project.call("migrate", "cart", "--lock-wait", "0", code=4)
    assert str(client.get("dbkit:{scratch_cart}:lease")).partition("|")[2] in refused.err.replace("\n", " ")
    waited = project.start("migrate", "cart")
    assert first.wait(PATIENCE) == waited.wait(PATIENCE) == 0
    assert new_lines(client, 400) == 400
    assert [entry["event"] for entry in journal(client)] == ["started", "applied"]
    assert not client.exists("dbkit:{scratch_cart}:lease", "dbkit:{scratch_cart}:progress")


def test_a_run_that_lost_its_lease_stops(project: Scratch, client: redis.Redis) -> None:
    """It was believed dead, and another has the work: it writes no more cursor."""
    fill(client, 1000)
    project.write("migrations/cart/0001_split_price.lua", SPLIT.replace("return redis.call(", BUSY + "return redis.call("))
    run = project.start("migrate", "cart")
    until(lambda: changed(client) > 10)
    client.incr("dbkit:{scratch_cart}:fence")
    client.set("dbkit:{scratch_cart}:lease", "9|somebody", px=60_000)

    assert run.wait(PATIENCE) == 4
    assert new_lines(client, 1000) < 1000


def test_a_key_that_the_script_refuses_stops_there_and_the_next_run_goes_on(project: Scratch, client: redis.Redis) -> None:
    """The key is named, the journal says it; once mended, the rest is done."""
    fill(client, 300)
    client.hset("line:{x}:bad", "value", "many")

    assert "line:{x}:bad" in project.call("migrate", "cart", code=1).err
    assert state(project) == {"0001_split_price": "failed"}
    client.hset("line:{x}:bad", "value", "1|1")
    project.call("migrate", "cart", code=0)
    assert new_lines(client, 300) == 300


def test_ctrl_c_leaves_the_journal_true(project: Scratch, client: redis.Redis) -> None:
    """SIGTERM too: interrupted, 143, and the next run goes on at once, since the lease was given back."""
    fill(client, 500)
    project.write("migrations/cart/0001_split_price.lua", SPLIT.replace("return redis.call(", BUSY + "return redis.call("))
    run = project.start("migrate", "cart")
    until(lambda: changed(client) > 50)
    run.send_signal(signal.SIGTERM)

    assert run.wait(PATIENCE) == 143
    assert state(project) == {"0001_split_price": "interrupted"}
    project.call("migrate", "cart", "--lock-wait", "0", code=0)
    assert new_lines(client, 500) == 500


def test_an_edited_file_a_lost_one_and_one_out_of_order_are_refused(project: Scratch, client: redis.Redis) -> None:
    """As in SQL: what is applied is what the file says; reformatting says nothing."""
    fill(client, 10)
    project.call("migrate", "cart", code=0)
    project.write("migrations/cart/0001_split_price.lua", SPLIT.replace("    return", "        return") + "\n\n")
    project.call("migrate", "cart", code=0)

    project.write("migrations/cart/0001_split_price.lua", SPLIT.replace('"times", 1', '"times", 2'))
    assert "was edited" in project.call("migrate", "cart", code=2).err
    assert state(project) == {"0001_split_price": "changed"}
    (project.root / "migrations/cart/0001_split_price.lua").unlink()
    (project.root / "migrations/cart/0001_split_price.rollback.lua").unlink()
    assert "its file is gone" in project.call("migrate", "cart", code=2).err.replace("\n", " ")

    project.write("migrations/cart/0001_split_price.lua", SPLIT)
    project.write("migrations/cart/0001_split_price.rollback.lua", JOIN)
    early = SPLIT.replace("0001_split_price", "0000_early").replace("ARGV", "ARGV", 1)
    project.write("migrations/cart/0000_early.lua", early + "-- irreversible: a test\n")
    assert "comes before" in project.call("migrate", "cart", code=2).err


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("0002_x.lua", SPLIT, "its header calls it"),
        ("0002_x.lua", SPLIT.replace("0001_split_price", "0002_x").replace("EACH\n  line\n", ""), "for which keys"),
        ("0002_x.lua", SPLIT.replace("0001_split_price", "0002_x").replace("EACH\n  line", "EACH\n  lines"), "did you mean 'line'"),
        ("0002_x.lua", SPLIT.replace("0001_split_price", "0002_x").replace("]]\n", "]]\n-- include: now\n"), "includes nothing"),
        ("0002_x.lua", SPLIT.replace("0001_split_price", "0002_x").replace("changed       flag", "done   flag"), "return `changed`"),
        ("0001_again.lua", SPLIT.replace("0001_split_price", "0001_again"), "have one number"),
        ("0003_alone.rollback.lua", SPLIT, "a rollback without its migration"),
        ("notes.txt", "", "not a migration's name"),
    ],
)
def test_a_wrong_file_is_refused_before_anything_runs(project: Scratch, client: redis.Redis, name: str, text: str, why: str) -> None:
    project.write(f"migrations/cart/{name}", text + ("" if "rollback" in name else "-- irreversible: a test\n"))

    assert why in project.call("migrate", "cart", code=2).err.replace("\n", " ")
    assert not client.keys("*")


def test_a_migration_without_a_way_back_says_so(project: Scratch, client: redis.Redis) -> None:
    """Or it is refused; and nothing is undone behind it."""
    second = SPLIT.replace("0001_split_price", "0002_again")
    project.write("migrations/cart/0002_again.lua", second)
    assert "no rollback" in project.call("migrate", "cart", code=2).err
    project.write("migrations/cart/0002_again.lua", second + "-- irreversible: prices are gone\n")
    fill(client, 10)
    project.call("migrate", "cart", "--to", "0001", code=0)
    assert state(project) == {"0001_split_price": "applied", "0002_again": "pending"}
    project.call("migrate", "cart", code=0)

    assert "prices are gone" in project.call("rollback", "cart", "--to", "0", code=2).err
    assert new_lines(client, 10) == 10


def test_one_call_takes_all_found_keys_of_a_user() -> None:
    """A key that is fixed is named whether it was found or not; an open one's are those that were found."""
    header = read_header(
        "--[[\nx: y\nKEYS\n  1 cart   cart:{<user>}\n  2.. days   cart:days:{<user>}:<day:date>\nEACH\n  cart, days\n]]", Path("x.lua")
    )
    found = ["cart:{a}", "cart:days:{b}:2026-01-01", "cart:days:{a}:2026-01-01", "cart:days:{a}:today", "cart:days:{b}:2026-01-02"]

    assert glob_of(header.each) == "cart:*"
    assert list(calls_of(header, found)) == [
        ["cart:{a}", "cart:days:{a}:2026-01-01"],
        ["cart:{b}", "cart:days:{b}:2026-01-01", "cart:days:{b}:2026-01-02"],
    ]
    many = [f"cart:days:{{c}}:2026-{month:02}-{day:02}" for month, day in itertools.product(range(1, 13), range(1, 29))]
    assert sorted(name for keys in calls_of(header, many) for name in keys[1:]) == many
    assert all(len(keys) <= 101 for keys in calls_of(header, many))
