"""What lint knows of Lua and of the server's commands is what the server says."""

from __future__ import annotations

import pytest
import redis

from dbkit.lint.lua.commands import commands
from dbkit.lint.lua.parser import parse
from dbkit.lint.lua.tokens import LuaSyntaxError

LUA = [
    "",
    "return",
    "return;",
    "return 1, 2 -- end",
    "local a, b <const> = 1",
    "local a = {1, 2; x = 3, ['y'] = 4, [5] = 6,}",
    "local a = {,}",
    "local a = {1 2}",
    "f 'x' {1} (2):g [[z]]",
    "a.b['c'].d = function(...) return ... end",
    "function a.b.c:d(x, ...) return self, x, ... end",
    "function a:b.c() end",
    "local function f(a, ..., b) end",
    "x, y[1] = 1, 2",
    "f() = 1",
    "(f)()",
    "(x) = 1",
    "(x).y = 1",
    "(f())",
    "x",
    "1 = x",
    "if a then elseif b then else end",
    "if a then else elseif b then end",
    "for i = 1 do end",
    "for i = 1, 2, 3 do break end",
    "for i, j = 1, 2 do end",
    "for k, v in pairs(t) do if k then break end end",
    "while 1 do end repeat until true do end",
    "break",
    "do return end return 1",
    "return 1 x = 2",
    "return -2 ^ -3 .. 'a' == 'b' and not #c or nil",
    "return a.b.c, a:b(), a['b']:c{}",
    "return 0x1F, 1e10, 1.5e-3, .5, 3.",
    "return 0x",
    "return 1e",
    "return 5x",
    "return 7 // 2",
    "return 1 ~ 2",
    "return a != b",
    "goto x ::x::",
    "local goto = 1 return goto",
    "return [[a\nb]], [==[ ]] ]==], '\\n\\065\\'' --[[ x ]] --[=[ ]] ]=]",
    "return 'open",
    "return [[open",
    "--[[ open",
    'return "a\\\nb"',
    "x = function() end ()",
    "local x; ; return x",
    "local end = 1",
    "return ...",
    "return not not a, - - 1",
    "a.1 = 2",
    "return {f()}.x",
    "return ('x'):rep(3)",
]


@pytest.mark.parametrize("text", LUA)
def test_the_parser_takes_what_the_server_takes(dbkit_redis: redis.Redis, text: str) -> None:
    try:
        dbkit_redis.script_load(text)
        taken = True
    except redis.ResponseError:
        taken = False

    try:
        parse(text)
    except LuaSyntaxError:
        assert not taken
    else:
        # a break outside of a loop is the compiler's to find
        assert taken or text == "break"


def test_the_table_of_commands_is_what_the_server_says(dbkit_redis: redis.Redis) -> None:
    found = dbkit_redis.command()
    known = commands()
    told = {name.lower(): about for name, about in found.items() if " " not in name and "|" not in name}
    shared = [name for name in known if name in told]

    assert len(shared) > 150
    assert {name for name, about in told.items() if ("write" in about["flags"] or about["first_key_pos"]) and name not in known} == set()
    for name in shared:
        about, server = known[name], told[name]
        expected = ("write" in server["flags"], server["first_key_pos"], server["last_key_pos"], server["step_count"])
        assert (name, about.writes, about.first, about.last, about.step) == (name, *expected)
