"""Lua as the rules see it: parsed, its names resolved, its keys followed, its pieces where they were written."""

from __future__ import annotations

from pathlib import Path

import pytest
from lint_project import Files

from dbkit.lint.lua.nodes import Constant, Name, walk
from dbkit.lint.lua.parser import parse
from dbkit.lint.lua.program import Lua
from dbkit.lint.lua.tokens import LuaSyntaxError
from dbkit.lint.rules import rules

CART = '[project]\nname = "shop"\n[services.cart]\nengine = "redis"\n'


def found_by(name: str, text: str, major: int = 6) -> list[tuple[int, str]]:
    rule = rules()[name]
    assert rule.lua is not None
    return [(hit.line, hit.message) for hit in rule.lua(Lua(text, major=major))]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"return 'a\n\65\'\\'", "a\nA'\\"),
        ("return [==[\na]]b]==]", "a]]b"),
        ("return 0xFF", 255.0),
        ("return .5e1", 5.0),
    ],
)
def test_a_constant_is_read_as_lua_reads_it(text: str, value: object) -> None:
    assert [node.value for node in walk(parse(text)) if isinstance(node, Constant)] == [value]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("local x = 1\nx = x +\nreturn x", 3, 1),
        ("if KEYS[1] then\n  return 1", 2, 11),
        ("return 7 // 2", 1, 11),
        ("x = 'open\n", 1, 5),
        ("goto done", 1, 6),
        ("return 1 return 2", 1, 10),
    ],
)
def test_what_is_not_lua_is_found_where_it_is(text: str, line: int, column: int) -> None:
    lua = Lua(text)
    with pytest.raises(LuaSyntaxError) as raised:
        parse(text)
    hit = lua.hit(raised.value.at, raised.value.message)
    assert (hit.line, hit.column) == (line, column)


def test_a_name_means_the_nearest_local() -> None:
    lua = Lua("local a = 1\nlocal function f(a)\n  return a\nend\nlocal b = a\nrepeat local c = b until c\nreturn c")
    _, parameter, inner, outer = (lua.scopes.variable(node) for node in walk(lua.program) if isinstance(node, Name) and node.id == "a")
    assert parameter is inner is not outer
    assert inner is not None
    assert inner.parameter is not None
    assert [name.id for name, _ in lua.scopes.globals] == ["c"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("local call = redis.call\nreturn call('GET', ARGV[1])", [2]),
        ("local k = KEYS[1] or KEYS[2]\nreturn redis.pcall('get', k)", []),
        ("local next_key = redis.call('GET', KEYS[1])\nreturn redis.call('GET', next_key)", [2]),
        ("local ks = {}\nks[#ks + 1] = KEYS[2]\nreturn redis.call('MGET', unpack(ks))", []),
        ("local ks = {}\nks[#ks + 1] = KEYS[2] .. ':x'\nreturn redis.call('MGET', unpack(ks))", [3]),
        (
            "local function f(k, n)\n  if n > 0 then f(k, n - 1) end\n  return redis.call('GET', k)\nend\nreturn f(KEYS[1], 2)",
            [],
        ),
        ("local function f(key)\n  return redis.call('GET', key)\nend\nf(KEYS[1])\nreturn f('a')", [5]),
        ("for position = 1, #KEYS do\n  local key = KEYS[position]\n  redis.call('DEL', key)\nend", []),
        ("return redis.call('MSET', KEYS[1], 'a', 'b', 'c')", [1]),
        ("return redis.call('TIME')", []),
    ],
)
def test_a_key_is_followed_back_to_keys(text: str, lines: list[int]) -> None:
    assert [line for line, _ in found_by("lua_undeclared_key", text)] == lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("local function now()\n  return redis.call('TIME')\nend\nlocal t = now()\nredis.call('SET', KEYS[1], t[1])", [2]),
        ("local function now()\n  return redis.call('TIME')\nend\nredis.call('SET', KEYS[1], 1)\nreturn now()", []),
        ("redis.replicate_commands()\nredis.call('SET', KEYS[1], redis.call('TIME')[1])", []),
        ("for _ = 1, 2 do\n  redis.call('SET', KEYS[1], 1)\n  redis.call('SRANDMEMBER', KEYS[2])\nend", [3]),
    ],
)
def test_chance_before_a_write_is_found_in_the_order_of_running(text: str, lines: list[int]) -> None:
    assert [line for line, _ in found_by("lua_random_before_write", text)] == lines
    assert found_by("lua_random_before_write", text, major=7) == []


def test_math_random_is_wrong_on_every_server() -> None:
    assert found_by("lua_random_before_write", "return math.random(6)", major=7) != []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("local total = redis.call('GET', KEYS[1])\nreturn tonumber(total)", 1),
        ("local line = redis.call('GET', KEYS[1])\nlocal total = string.match(line, '^(%d+)$')\nreturn tonumber(total)", 0),
        ("local c = { price = 5 }\nreturn c.price / 2", 1),
        ("return redis.call('HINCRBYFLOAT', KEYS[1], 'score', ARGV[1])", 0),
        ("local unit_price = 5\nreturn unit_price * 0.5", 1),
        ("local n = 5\nreturn n / 2", 0),
    ],
)
def test_money_is_known_by_its_name(text: str, count: int) -> None:
    assert len(found_by("lua_float_money", text)) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("repeat redis.call('LPOP', KEYS[1]) until false", 1),
        ("for _, v in ipairs(redis.call('ZRANGE', KEYS[1], '0', '-1')) do redis.call('ZREM', KEYS[1], v) end", 1),
        ("for _, v in ipairs(redis.call('ZRANGE', KEYS[1], 0, 9)) do redis.call('ZREM', KEYS[1], v) end", 0),
        ("local c = '0'\nrepeat c = redis.call('HSCAN', KEYS[1], c)[1] until c == '0'", 1),
        ("for k in pairs({ 1, 2 }) do redis.call('INCR', KEYS[k]) end", 0),
        ("local v\nrepeat v = redis.call('LPOP', KEYS[1]) until not v", 1),
        ("local v, n\nrepeat v, n = redis.call('LPOP', KEYS[1]), (n or 0) + 1 until not v or n > 99", 0),
        ("while redis.call('LLEN', KEYS[1]) > 0 do redis.call('LPOP', KEYS[1]) end", 1),
        ("local n = 9\nwhile n > 0 and redis.call('LPOP', KEYS[1]) do n = n - 1 end", 0),
        ("for i = 1, redis.call('SCARD', KEYS[1]) do redis.call('SPOP', KEYS[1]) end", 1),
        ("local m = redis.call('SMEMBERS', KEYS[1])\nlocal n = #m\nfor i = 1, n do redis.call('SREM', KEYS[1], m[i]) end", 1),
        ("for i = 1, tonumber(ARGV[1]) do redis.call('LPOP', KEYS[1]) end", 1),
        ("for i = 1, math.min(tonumber(ARGV[1]), 100) do redis.call('LPOP', KEYS[1]) end", 0),
        ("local n = tonumber(ARGV[1])\nif n > 100 then return 0 end\nfor i = 1, n do redis.call('LPOP', KEYS[1]) end", 0),
        ("--[[\na: b\nRULES\n  most\n]]\nfor i = 1, tonumber(ARGV[1]) do redis.call('LPOP', KEYS[1]) end", 0),
    ],
)
def test_a_loop_over_all_there_is_has_no_bound(text: str, count: int) -> None:
    assert len(found_by("lua_unbounded_loop", text)) == count


HEADER = "--[[\na: nothing\nKEYS\n  1 one   a:{<id>}\nERRORS\n  WRONG   no key\n]]\n-- include: piece\nreturn read(KEYS[1])\n"


def test_a_finding_in_a_piece_stands_in_the_piece_once(tmp_path: Path) -> None:
    files = Files(tmp_path / "project", CART)
    files.put("lua/cart/a.lua", HEADER)
    files.put("lua/cart/b.lua", HEADER.replace("a: nothing", "b: nothing"))
    files.put(
        "lua/_lib/piece.lua", "-- about\nlocal function read(key)\n    return redis.call('GET', 'x') or redis.error_reply('WRONG x')\nend\n"
    )

    (finding,) = files.lint().findings

    assert (finding.rule, finding.path, finding.line, finding.column) == ("lua_undeclared_key", "lua/_lib/piece.lua", 3, 30)


def test_lines_behind_an_include_keep_their_numbers(tmp_path: Path) -> None:
    files = Files(tmp_path / "project", CART)
    files.put("lua/cart/a.lua", HEADER + "local x = = 1\n")
    files.put("lua/_lib/piece.lua", "local function read(key)\n    return redis.call('GET', key)\nend\n")

    (finding,) = files.lint().findings

    assert (finding.rule, finding.path, finding.line, finding.level) == ("syntax", "lua/cart/a.lua", 10, "error")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [("  1 one   a:{<id>}", "  2 one   a:{<id>}", 4), ("piece", "peace", 8), ("ERRORS", "ARGV\n  1 n   number\nERRORS", 6)],
)
def test_a_header_or_include_that_cannot_be_read_is_a_finding(tmp_path: Path, old: str, new: str, line: int) -> None:
    files = Files(tmp_path / "project", CART)
    files.put("lua/cart/a.lua", HEADER.replace(old, new))
    files.put("lua/_lib/piece.lua", "local function read(key)\n    return redis.call('GET', key)\nend\n")

    found = {(finding.rule, finding.path, finding.line) for finding in files.lint().findings if finding.path == "lua/cart/a.lua"}

    assert found == {("unreadable", "lua/cart/a.lua", line)}


def test_the_header_of_another_script_is_found(tmp_path: Path) -> None:
    files = Files(tmp_path / "project", CART)
    files.put("lua/cart/b.lua", "--[[\na: nothing\n]]\nreturn 1\n")

    (finding,) = files.lint().findings

    assert (finding.rule, finding.line) == ("lua_header_disagrees", 2)


def test_a_finding_that_its_author_has_thought_about_is_quiet(tmp_path: Path) -> None:
    files = Files(tmp_path / "project", CART)
    files.put("lua/cart/a.lua", "--[[\na: nothing\n]]\nreturn redis.call('KEYS', '*') -- nolint: lua_unbounded_command ten keys\n")

    assert files.lint().findings == ()
