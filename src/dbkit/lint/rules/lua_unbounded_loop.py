from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.lua import nodes
from dbkit.lint.lua.commands import CURSORS, RANGES, WHOLE
from dbkit.lint.lua.nodes import Expression, walk
from dbkit.lint.lua.program import Lua
from dbkit.lint.rules import Rule

LOOPS = (nodes.While, nodes.Repeat, nodes.NumericFor, nodes.GenericFor)


def _look(lua: Lua) -> Iterator[Hit]:
    for node in walk(lua.program):
        if not isinstance(node, LOOPS):
            continue
        if isinstance(node, nodes.While | nodes.Repeat) and _never_changes(node.condition):
            yield lua.hit(node, "a loop without an end of its own: count, and stop at a number")
        elif any((call := lua.server_call(inner)) and call.command in CURSORS for inner in walk(node.body)):
            yield lua.hit(node, "a loop over a cursor: let the client do it, a call for each step")
        elif isinstance(node, nodes.GenericFor) and (command := _whole(lua, _iterated(lua, node.values[0]))):
            yield lua.hit(node, f"a loop over all that {command} finds, however much that is")
        elif isinstance(node, nodes.NumericFor):
            counted = (part.operands[0] for part in walk(node.bounds[1]) if isinstance(part, nodes.Operation) and part.operator == "#")
            for command in filter(None, (_whole(lua, table) for table in counted)):
                yield lua.hit(node, f"a loop over all that {command} finds, however much that is")


def _never_changes(condition: Expression) -> bool:
    return isinstance(condition, nodes.Constant)


def _iterated(lua: Lua, node: Expression) -> Expression:
    """Return what `pairs(…)` goes over."""
    is_pairs = isinstance(node, nodes.Call) and lua.scopes.is_global(node.function, "pairs", "ipairs")
    return node.arguments[0] if isinstance(node, nodes.Call) and is_pairs and node.arguments else node


def _whole(lua: Lua, node: Expression) -> str | None:
    """Return the command that gave the whole of a collection."""
    for value in lua.values(node):
        call = lua.server_call(value) if value else None
        if not call:
            continue
        bounds = [argument.value for argument in call.arguments[1:3] if isinstance(argument, nodes.Constant)]
        is_open = call.command in RANGES and [str(bound).removesuffix(".0") for bound in bounds] == ["0", "-1"]
        if call.command in WHOLE or is_open:
            return call.command.upper()
    return None


RULE = Rule(
    level="warning",
    summary="A loop in a script has a bound.",
    why="A script holds the whole server while it runs, and once it has written nobody can stop it. What keeps a collection small, "
    "if something does, is worth a line: -- nolint: lua_unbounded_loop a cart holds 50 lines.",
    bad="""
local members = redis.call("SMEMBERS", KEYS[1])
for position = 1, #members do
    redis.call("SREM", KEYS[1], members[position])
end
while true do
    if not redis.call("LPOP", KEYS[2]) then
        break
    end
end
return redis.call("LLEN", KEYS[2])
""",
    good="""
local members = redis.call("LRANGE", KEYS[1], 0, 99)
for position = 1, #members do
    redis.call("LREM", KEYS[1], 1, members[position])
end
local left = 100
while left > 0 and redis.call("LPOP", KEYS[2]) do
    left = left - 1
end
return left
""",
    lua=_look,
)
