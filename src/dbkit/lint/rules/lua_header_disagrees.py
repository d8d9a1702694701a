import re
from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.lua import nodes
from dbkit.lint.lua.nodes import Expression, walk
from dbkit.lint.lua.program import Lua
from dbkit.lint.rules import Rule
from dbkit.redis.headers import Header

CODE = re.compile(r"([A-Z][A-Z0-9]{2,})(?: |$)")


def _look(lua: Lua) -> Iterator[Hit]:
    header = lua.header
    if not header:
        return
    if header.name != lua.path.stem and lua.own is not None:
        yield Hit(header.lines[""], f"the header is {header.name!r}'s, the file is {lua.path.stem!r}'s")
    arguments = [*(field.name for field in header.arguments), *header.rules]
    fixed = [key.name for key in header.keys if not key.is_open]
    yield from _places(lua, "KEYS", fixed, is_open=len(fixed) < len(header.keys))
    yield from _places(lua, "ARGV", arguments, is_open=False)
    yield from _codes(lua, header)
    yield from _answers(lua, header)
    writes = [call for call in lua.calls if call.about and call.about.writes]
    if "no-writes" in header.flags:
        yield from (lua.hit(call.node, f"{call.command.upper()} writes, and the header says no-writes") for call in writes)


def _places(lua: Lua, table: str, names: list[str], *, is_open: bool) -> Iterator[Hit]:
    """Compare the numbers by which the body takes KEYS or ARGV with the header's."""
    uses = [node for node in walk(lua.program) if isinstance(node, nodes.Index) and lua.scopes.is_global(node.table, table)]
    taken = {int(node.key.value): node for node in uses if isinstance(node.key, nodes.Constant) and isinstance(node.key.value, float)}
    for number, node in taken.items():
        if number > len(names) and not is_open:
            yield lua.hit(node, f"the header has no number {number} under {table}")
    indexed = {id(node.table) for node in uses if isinstance(node.key, nodes.Constant)}
    whole = any(lua.scopes.is_global(node, table) and id(node) not in indexed and lua.is_own(node) for node in walk(lua.program))
    header = lua.header
    for number, name in enumerate(names, 1):
        if header and number not in taken and not whole:
            yield Hit(_line(header, table, name), f"the body takes no {table}[{number}]")


def _line(header: Header, table: str, name: str) -> int:
    found = {field.name: field.line for field in (header.keys if table == "KEYS" else header.arguments)}
    return found.get(name, header.lines.get("RULES", 1))


def _codes(lua: Lua, header: Header) -> Iterator[Hit]:
    raised = dict(_raised(lua))
    declared = {error.code: error.line for error in header.errors}
    yield from (lua.hit(node, f"{code} is not under ERRORS") for code, node in raised.items() if code not in declared)
    yield from (Hit(line, f"nothing raises {code}") for code, line in declared.items() if code not in raised)


def _raised(lua: Lua) -> Iterator[tuple[str, Expression]]:
    """Yield the codes of error_reply("CODE …") and { err = "CODE …" }."""
    for node in walk(lua.program):
        texts: list[Expression] = []
        if isinstance(node, nodes.Call) and lua.names_member(node.function, ("redis", "server"), ("error_reply",)):
            texts = list(node.arguments[:1])
        elif isinstance(node, nodes.Table):
            texts = [
                value for key, value in zip(node.keys, node.values, strict=True) if isinstance(key, nodes.Constant) and key.value == "err"
            ]
        for text in texts:
            first = _leftmost(text)
            code = CODE.match(str(first.value)) if isinstance(first, nodes.Constant) else None
            if code:
                yield code[1], first


def _leftmost(node: Expression) -> Expression:
    """Return where a concatenation begins."""
    while isinstance(node, nodes.Operation) and node.operator == "..":
        node = node.operands[0]
    return node


def _answers(lua: Lua, header: Header) -> Iterator[Hit]:
    """Compare the tables that the script itself returns with RETURNS."""
    wanted = len(header.returns)
    for node in walk(lua.program, into_functions=False):
        table = node.values[0] if isinstance(node, nodes.Return) and len(node.values) == 1 else None
        if not isinstance(table, nodes.Table) or any(table.keys) or not table.values or wanted < 2:
            continue
        last = table.values[-1]
        is_open = isinstance(last, nodes.Vararg) or (isinstance(last, nodes.Call) and lua.scopes.is_global(last.function, "unpack"))
        if len(table.values) != wanted and not is_open:
            yield lua.hit(table, f"{len(table.values)} values are returned here, RETURNS has {wanted}")


RULE = Rule(
    level="error",
    summary="A script's header says what its body does.",
    why="Callers, the typed client, and who reviews a change go by the header: KEYS, ARGV with RULES behind it, RETURNS, ERRORS, FLAGS.",
    bad="""--[[
add: count one
KEYS
  1 counter     counter:{<name>}
  2 log         log:{<name>}
ARGV
  1 step        integer
RETURNS
  count         integer
  at            integer
ERRORS
  TOOMANY       there are enough
FLAGS
  no-writes
]]
if ARGV[2] then
    return redis.error_reply("TOOFEW " .. ARGV[1])
end
return { redis.call("INCRBY", KEYS[1], ARGV[1]) }
""",
    good="""--[[
add: count one
KEYS
  1 counter     counter:{<name>}
ARGV
  1 step        integer
RULES
  maximum
RETURNS
  count         integer
ERRORS
  TOOMANY       there are enough
]]
local step, maximum = ARGV[1], tonumber(ARGV[2])
if tonumber(redis.call("GET", KEYS[1]) or 0) >= maximum then
    return redis.error_reply("TOOMANY " .. maximum)
end
return redis.call("INCRBY", KEYS[1], step)
""",
    lua=_look,
)
