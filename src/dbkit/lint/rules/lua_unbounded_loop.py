from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.lua import nodes
from dbkit.lint.lua.commands import CURSORS, RANGES, WHOLE
from dbkit.lint.lua.nodes import Expression, walk
from dbkit.lint.lua.program import Lua
from dbkit.lint.rules import Rule

COMPARISONS = ("<", ">", "<=", ">=")
LOOPS = (nodes.While, nodes.Repeat, nodes.NumericFor, nodes.GenericFor)


def _look(lua: Lua) -> Iterator[Hit]:
    for node in walk(lua.program):
        if not isinstance(node, LOOPS):
            continue
        if isinstance(node, nodes.While | nodes.Repeat) and _never_changes(node.condition):
            yield lua.hit(node, "a loop without an end of its own: count, and stop at a number")
        elif any((call := lua.server_call(inner)) and call.command in CURSORS for inner in walk(node.body)):
            yield lua.hit(node, "a loop over a cursor: let the client do it, a call for each step")
        elif isinstance(node, nodes.While | nodes.Repeat) and (command := _asked(lua, node.condition)):
            yield lua.hit(node, f"a loop for as long as {command} says so: count, and stop at a number")
        elif isinstance(node, nodes.GenericFor) and (command := _whole(lua, _iterated(lua, node.values[0]))):
            yield lua.hit(node, f"a loop over all that {command} finds, however much that is")
        elif isinstance(node, nodes.NumericFor) and not _is_compared(lua, node.bounds[1]):
            yield from (lua.hit(node, f"a loop {source}") for source in _sources(lua, node.bounds[1]))


def _never_changes(condition: Expression) -> bool:
    return isinstance(condition, nodes.Constant)


def _asked(lua: Lua, condition: Expression) -> str | None:
    """Return the command whose answer ends a loop, if nothing is counted beside it."""
    compared = [part for part in walk(condition) if isinstance(part, nodes.Operation) and part.operator in COMPARISONS]
    if any(not any(_commands(lua, operand) for operand in part.operands) for part in compared):
        return None
    return next(iter(_commands(lua, condition)), None)


def _commands(lua: Lua, node: Expression) -> list[str]:
    """Return the commands whose answers are in an expression, straight or by a local's name."""
    values = (value for part in walk(node) if isinstance(part, nodes.Name | nodes.Call) for value in lua.values(part) if value)
    return [call.command.upper() for value in values if (call := lua.server_call(value))]


def _is_compared(lua: Lua, bound: Expression) -> bool:
    """Say whether an `if` looks at a bound's size: too large a one is refused there, or cut."""
    variable = lua.scopes.variable(bound)
    conditions = (condition for node in walk(lua.program) if isinstance(node, nodes.If) for condition in node.conditions)
    parts = (part for condition in conditions for part in walk(condition))
    sizes = (part for part in parts if isinstance(part, nodes.Operation) and part.operator in COMPARISONS)
    return variable is not None and any(lua.scopes.variable(operand) is variable for size in sizes for operand in size.operands)


def _sources(lua: Lua, bound: Expression, seen: frozenset[int] = frozenset()) -> Iterator[str]:
    """Say where a loop's last number comes from, where nobody knows how large that is."""
    for value in lua.values(bound):
        if value is None or id(value) in seen:
            continue
        if isinstance(value, nodes.Operation) and value.operator == "#":
            if command := _whole(lua, value.operands[0]):
                yield f"over all that {command} finds, however much that is"
        elif call := lua.server_call(value):
            yield f"as often as {call.command.upper()} says, however much that is"
        elif isinstance(value, nodes.Index) and _is_callers(lua, value):
            yield "as often as the caller says: refuse what is too much before"
        elif isinstance(value, nodes.Operation) or (isinstance(value, nodes.Call) and lua.scopes.is_global(value.function, "tonumber")):
            parts = value.operands if isinstance(value, nodes.Operation) else value.arguments[:1]
            for part in parts:
                yield from _sources(lua, part, seen | {id(value)})


def _is_callers(lua: Lua, node: nodes.Index) -> bool:
    """Say whether it is one of ARGV that no RULES stand for."""
    if not lua.scopes.is_global(node.table, "ARGV"):
        return False
    number = node.key.value if isinstance(node.key, nodes.Constant) else None
    given = len(lua.header.arguments) if lua.header else 0
    return not lua.header or not isinstance(number, float) or number <= given


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
repeat
    local value = redis.call("RPOP", KEYS[2])
until not value
for position = 1, redis.call("LLEN", KEYS[2]) do
    redis.call("LSET", KEYS[2], position - 1, "")
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
