import re
from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.lua import nodes
from dbkit.lint.lua.nodes import Expression, Node, walk
from dbkit.lint.lua.program import Lua
from dbkit.lint.rules import Rule

MONEY = re.compile(r"(?:^|_)(?:price|amount|total|subtotal|cents|cost|fee|tax|discount|balance|money|paid)s?(?:_|$)", re.IGNORECASE)
FLOATING = re.compile(r"%[-+ #0-9]*(?:\.[1-9]\d*)?[eEfgG]")
FLOAT_COMMANDS = ("incrbyfloat", "hincrbyfloat")
BUILT_IN = ("tonumber", "tostring", "type", "print", "unpack", "select")


def _look(lua: Lua) -> Iterator[Hit]:
    for node in walk(lua.program):
        match node:
            case nodes.Operation(operator="/", operands=operands) if name := _money(*operands):
                yield lua.hit(node, f"a division of {name}: whole units in, whole units out, rounded once and said where")
            case nodes.Operation(operator="*" | "+" | "-", operands=operands) if (name := _money(*operands)) and any(
                map(_is_fraction, operands)
            ):
                yield lua.hit(node, f"a fraction with {name}: multiply whole numbers, then round once")
            case nodes.Call(arguments=arguments):
                yield from _of_call(lua, node, arguments)


def _of_call(lua: Lua, node: nodes.Call, arguments: tuple[Expression, ...]) -> Iterator[Hit]:
    name = _money(*arguments)
    call = lua.server_call(node)
    if call and call.command in FLOAT_COMMANDS and name:
        yield lua.hit(node, f"{call.command.upper()} keeps {name} as a float: count whole minor units")
    elif lua.names_member(node.function, ("string",), ("format",)) and name and _is_floating(arguments[0]):
        yield lua.hit(node, f"{name} is written with decimals: '%.0f' writes whole minor units, exact to 2^53")
    elif lua.scopes.is_global(node.function, "tonumber") and name and not _is_checked(lua, node):
        yield lua.hit(node, f"tonumber takes '1e3', '0x10', ' 7 ' and '0.1' for {name}: check it first")


def _money(*found: Expression) -> str | None:
    """Return the first name that speaks of money in expressions; what a call or a table makes of it is another matter."""
    for node in found:
        match node:
            case nodes.Name(id=name) | nodes.Constant(value=str(name)) | nodes.Index(key=nodes.Constant(value=str(name))):
                inner = name if MONEY.search(name) else None
            case nodes.Operation(operator="+" | "-" | "*" | "/" | "%", operands=operands):
                inner = _money(*operands)
            case _:
                inner = None
        if inner:
            return inner
    return None


def _is_fraction(node: Node) -> bool:
    return isinstance(node, nodes.Constant) and isinstance(node.value, float) and not node.value.is_integer()


def _is_floating(node: Expression) -> bool:
    return isinstance(node, nodes.Constant) and bool(FLOATING.search(str(node.value)))


def _is_checked(lua: Lua, call: nodes.Call) -> bool:
    """Say whether a number from outside was given to a function that may refuse it, before; other values are the script's own."""
    argument = call.arguments[0]
    outside = any(value and _is_outside(lua, value) for value in lua.values(argument))
    if not outside or not isinstance(argument, nodes.Name):
        return not outside
    variable = lua.scopes.variable(argument)
    return any(
        isinstance(node, nodes.Call)
        and node.at < call.at
        and not lua.scopes.is_global(node.function, *BUILT_IN)
        and not lua.server_call(node)
        and any(lua.scopes.variable(given) is variable for given in node.arguments)
        for node in walk(lua.program)
    )


def _is_outside(lua: Lua, value: Expression) -> bool:
    is_argument = isinstance(value, nodes.Index) and lua.scopes.is_global(value.table, "ARGV")
    return is_argument or lua.server_call(value) is not None


RULE = Rule(
    level="warning",
    summary="Money in a script is whole minor units.",
    why="A Lua number is a double: 0.1 + 0.2 is not 0.3, a division leaves fractions that nobody rounds, tonumber takes what is no amount. "
    "Whole numbers are exact to 2^53.",
    bad="""
local price = tonumber(ARGV[1])
local total = price * 1.19
redis.call("HINCRBYFLOAT", KEYS[1], "total", total)
return string.format("%.2f", total / 100)
""",
    good="""
local price, rate = ARGV[1], ARGV[2]
local function whole(text)
    return string.find(text, "^%d+$") and tonumber(text)
end
if not whole(price) then
    return redis.error_reply("PRICE not whole minor units")
end
local total = tonumber(price) * 3
redis.call("HSET", KEYS[1], "total", string.format("%.0f", total))
return tonumber(rate) / 2
""",
    lua=_look,
)
