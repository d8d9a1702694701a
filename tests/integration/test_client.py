"""`dbkit client` makes a module from any project's headers: strictly typed, of redis-py alone, for old servers too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import NoScriptError, ResponseError

from dbkit.redis.client import runtime
from redis_load import import_file
from scratch import Scratch

ROOT = Path(__file__).parents[2]
MANIFEST = '[project]\nname = "shop"\n[services.points]\nengine = "redis"\n[services.points.rules]\nmost = 10\n'
SCRIPT = """--[[
give: points to many

KEYS
  1 total         points:{<team>}:<class>
  2.. day         points:{<team>}:<class>:<day:date>
ARGV
  1 from          text      who gives
  2 is_final      flag
  3 note          text?
  4 rows          list(who text, points integer)
RULES
  most
RETURNS
  given           flag
  before          integer?
  rows            list(who text, is_new flag)
ERRORS
  POINTSFULL      no more
  OTHER           "quoted" \\ and so on
]]
if ARGV[2] == "1" and ARGV[3] == "full" then
    return redis.error_reply("POINTSFULL " .. ARGV[5])
end
local rows = {}
for position, row in ipairs(cjson.decode(ARGV[4])) do
    rows[position] = { row[1], row[2] > 1 and 1 or 0 }
end
return { #KEYS, ARGV[1] == "nobody" and "" or ARGV[5], rows }
"""
NOTHING = "--[[\nforget: nothing comes back\nKEYS\n  1 total   points:{<team>}\n]]\nredis.call('DEL', KEYS[1])\n"


@pytest.fixture
def points(tmp_path: Path) -> Path:
    (tmp_path / "lua/points").mkdir(parents=True)
    (tmp_path / "dbkit.toml").write_text(MANIFEST)
    (tmp_path / "lua/points/give.lua").write_text(SCRIPT)
    (tmp_path / "lua/points/forget.lua").write_text(NOTHING)
    return tmp_path


USE = """
import redis
import redis.asyncio
from cart_scripts import AsyncCartScripts, CartScripts, GetCartItem

sync = CartScripts(redis.Redis())
CartScripts(redis.RedisCluster("localhost"))
total: int = sync.get_cart(user_id="1").total
items: tuple[GetCartItem, ...] = sync.get_cart(user_id="1").items
released: bool = sync.release_cart_lock(user_id="1", token="t")
sync.merge_carts(user_id="1", guest_id="g", since=1, version=1, items=items, currency="USD")


async def main() -> int:
    scripts = AsyncCartScripts(redis.asyncio.Redis())
    AsyncCartScripts(redis.asyncio.RedisCluster("localhost"), functions=True)
    return (await scripts.get_cart(user_id="1")).total


sync.get_cart(user=1)  # wrong
sync.get_cart(user_id="1").total + ""  # wrong
"""


def test_the_module_and_its_use_are_strictly_typed(tmp_path: Path, scratch: Scratch) -> None:
    scratch.call("--project", str(ROOT), "client", "cart", "--out", str(tmp_path / "cart_scripts.py"), code=0)
    (tmp_path / "use.py").write_text(USE)

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "use.py", "cart_scripts.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    wrong = [number for number, line in enumerate(USE.splitlines(), 1) if line.endswith("# wrong")]
    found = [line for line in done.stdout.splitlines() if "error:" in line]
    assert [line.split(":")[:2] for line in found] == [["use.py", str(number)] for number in wrong], done.stdout


def test_every_shape_of_a_header_becomes_a_method(points: Path, scratch: Scratch, dbkit_redis: Any) -> None:
    told = scratch.call("--project", str(points), "--format", "json", "client", "points", code=0).document
    (points / "points_scripts.py").write_text(told["text"])
    module = import_file(points / "points_scripts.py")
    scripts = module.PointsScripts(dbkit_redis)

    given = scripts.give(team="a", class_="x", from_="me", is_final=False, rows=[("é", 1), ("b", 2)], days=[])

    assert given.given is True
    assert given.before == 10
    assert given.rows == (("é", False), ("b", True))
    assert scripts.give(team="a", class_="x", from_="nobody", is_final=False, rows=[]).before is None
    with pytest.raises(module.PointsFullError, match=r"^10$"):
        scripts.give(team="a", class_="x", from_="me", is_final=True, note="full", rows=[])
    assert module.OtherError.code == "OTHER"
    assert scripts.forget(team="a") is None


def test_a_key_that_stands_for_many_says_by_what_they_differ(points: Path, scratch: Scratch) -> None:
    (points / "lua/points/give.lua").write_text(SCRIPT.replace(":<day:date>", ""))

    told = scratch.call("--project", str(points), "client", "points", code=2)

    assert "lua/points/give.lua:6" in told.err


def test_a_service_on_postgresql_has_no_client(scratch: Scratch) -> None:
    assert "lives on PostgreSQL" in scratch.call("--project", str(ROOT), "client", "order", code=2).err


class OldServer:
    """A server below 7: it takes no `#!lua` line, and knows the scripts that were sent."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.log: list[str] = []

    def evalsha(self, sha: str, _count: int, *_values: str) -> str:
        self.log.append("evalsha")
        if sha not in self.known:
            raise NoScriptError("No matching script")
        return "done"

    def eval(self, script: str, _count: int, *_values: str) -> str:
        self.log.append("eval")
        if script.startswith("#!"):
            raise ResponseError("Error compiling script (new function): user_script:1: unexpected symbol near '#'")
        self.known["old"] = script
        return "done"


def test_a_server_without_functions_gets_the_script_without_their_line() -> None:
    server: Any = OldServer()
    script = runtime.Script(name="a", first_line="#!lua\n", body="return 1", sha="new", old_sha="old", rules=())
    call = runtime.Call(script, (), (), str)
    scripts = runtime.Scripts(server)

    assert [scripts.run(call), scripts.run(call)] == ["done", "done"]
    assert server.log == ["evalsha", "eval", "evalsha", "eval", "evalsha"]
