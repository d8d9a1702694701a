from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.lua.keys import Origins
from dbkit.lint.lua.program import Lua
from dbkit.lint.rules import Rule


def _look(lua: Lua) -> Iterator[Hit]:
    for call in lua.calls:
        for key in call.keys:
            for stranger in Origins(lua).strangers(key, key):
                yield lua.hit(stranger, f"{call.command.upper()} gets a key here that is none of KEYS: the caller has to name it")


RULE = Rule(
    level="warning",
    summary="A script touches the keys of KEYS only.",
    why="The server finds the node, and checks the rights, by KEYS; a key made up inside, or read from data, may be another node's.",
    bad="""
local function read(key)
    return redis.call("GET", key)
end
local name = "cart:" .. ARGV[1]
redis.call("DEL", KEYS[1], name)
return read("total")
""",
    good="""
local call, cart_key = redis.call, KEYS[1]
local function read(key)
    return call("GET", key)
end
for _, key in ipairs(KEYS) do
    call("EXPIRE", key, 60)
end
call("UNLINK", unpack(KEYS))
return read(cart_key)
""",
    lua=_look,
)
