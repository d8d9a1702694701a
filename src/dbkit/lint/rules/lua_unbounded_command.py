from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.lua.program import Lua
from dbkit.lint.rules import Rule

COMMANDS = ("keys", "scan", "flushall", "flushdb")


def _look(lua: Lua) -> Iterator[Hit]:
    for call in lua.calls:
        if call.command in COMMANDS:
            yield lua.hit(call.node, f"{call.command.upper()} in a script: it works on every key of the server, and everybody waits")


RULE = Rule(
    level="error",
    summary="A script does not search or empty the key space.",
    why="A script holds the whole server while it runs; KEYS and a loop over SCAN take as long as there are keys, "
    "and in a cluster they see one node's only. Let the client scan and call a script for each key.",
    bad='return redis.call("KEYS", "cart:*")\n',
    good='-- redis.call("KEYS", "cart:*")\nreturn redis.call("HGETALL", KEYS[1])\n',
    lua=_look,
)
