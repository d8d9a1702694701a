from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.lua.commands import RANDOM
from dbkit.lint.lua.nodes import Call, Node
from dbkit.lint.lua.program import Lua
from dbkit.lint.rules import Rule

EFFECTS_ONLY_SINCE = 7


def _look(lua: Lua) -> Iterator[Hit]:
    found: dict[Node, str] = {}  # random so far
    told: set[Node] = set()
    has_switched = lua.major >= EFFECTS_ONLY_SINCE
    for node in lua.executed():
        if not isinstance(node, Call):
            continue
        if lua.names_member(node.function, ("math",), ("random",)):
            if node not in told:
                told.add(node)
                yield lua.hit(node, "math.random gives the same numbers in every run: let the caller send them", "error")
        elif lua.names_member(node.function, ("redis", "server"), ("replicate_commands",)):
            has_switched = True
        elif (call := lua.server_call(node)) and not has_switched:
            if call.about and call.about.writes:
                yield from (lua.hit(before, f"{name} before a write") for before, name in found.items() if before not in told)
                told.update(found)
            if call.command in RANDOM:
                found[node] = call.command.upper()


RULE = Rule(
    level="warning",
    summary="A script decides nothing by chance, nor by the clock, before it writes.",
    why="A server below 7 that sends scripts to its replicas as they are (lua-replicate-commands no) refuses writes after such a call. "
    "Let the caller send what is random; call redis.replicate_commands() first; or say under [lint] redis = 7 that none is older. "
    "Redis seeds math.random alike for each script.",
    bad="""
local now = redis.call("TIME")
local draw = math.random(10)
redis.call("SET", KEYS[1], now[1] + draw)
return redis.call("TIME")
""",
    good="""
redis.call("SET", KEYS[1], ARGV[1])
return redis.call("TIME")
""",
    lua=_look,
)
