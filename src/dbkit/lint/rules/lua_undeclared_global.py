from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.lua.program import Lua
from dbkit.lint.rules import Rule

KNOWN = frozenset(
    "KEYS ARGV redis server cjson cmsgpack bit struct string table math os assert collectgarbage coroutine error getmetatable "  # noqa: SIM905
    "ipairs load loadstring next pairs pcall print rawequal rawget rawset select setmetatable tonumber tostring type unpack xpcall "
    "_G _VERSION".split()
)


def _look(lua: Lua) -> Iterator[Hit]:
    for name, is_set in lua.scopes.globals:
        if is_set:
            yield lua.hit(name, f"{name.id} is global: write local")
        elif name.id not in KNOWN:
            yield lua.hit(name, f"nothing declares {name.id}: it is misspelt, or local to another function or piece")


RULE = Rule(
    level="error",
    summary="Every name in a Redis script is a local, or one of Redis' own.",
    why="Redis refuses a global when the line is reached, which may be after the first write, and not when the script is loaded.",
    bad="function total(lines)\n    count = #lines\n    return cuont\nend\nreturn total(KEYS)\n",
    good="local function total(lines)\n    local count = #lines\n    return count\nend\nreturn total(KEYS)\n",
    lua=_look,
)
