"""A script as the rules see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dbkit.lint.finding import Hit, Level
from dbkit.lint.lua import nodes
from dbkit.lint.lua.commands import Command, commands
from dbkit.lint.lua.nodes import Block, Expression, Node, walk
from dbkit.lint.lua.parser import parse
from dbkit.lint.lua.scopes import Scopes, Variable, resolve
from dbkit.redis.headers import Header, read_header

SERVER = ("redis", "server")  # `server` is Valkey's other name


@dataclass(frozen=True, slots=True)
class ServerCall:
    """`redis.call("GET", key)`: the command, small, and what is given to it; `command` is "" where it is not written there."""

    node: nodes.Call
    command: str
    arguments: tuple[Expression, ...]

    @property
    def about(self) -> Command | None:
        return commands().get(self.command)

    @property
    def keys(self) -> tuple[Expression, ...]:
        about = self.about
        if not about or not about.first:
            return ()
        return self.arguments[about.first - 1 : about.last if about.last > 0 else None : about.step]


@dataclass(frozen=True)
class Lua:
    """A script with its includes pasted. `own` are the lines of its own file, `major` is the oldest server's that it must run on."""

    text: str
    path: Path = Path("script.lua")
    own: frozenset[int] | None = None
    major: int = 6

    @cached_property
    def program(self) -> Block:
        return parse(self.text)

    @cached_property
    def scopes(self) -> Scopes:
        return resolve(self.program)

    @cached_property
    def header(self) -> Header | None:
        """Return what the comment on top says; None where there is none. Raises ConfigurationError."""
        return read_header(self.text, self.path) if self.text.lstrip().startswith("--[[") else None

    def hit(self, at: Node | int, message: str, level: Level | None = None) -> Hit:
        """Return a finding at a node, or at a character."""
        offset = at if isinstance(at, int) else at.at
        before = self.text[:offset]
        return Hit(before.count("\n") + 1, message, offset - (before.rfind("\n") + 1) + 1, level)

    def is_own(self, node: Node) -> bool:
        """Say whether the script's own file has it, and not a piece that it includes."""
        return self.own is None or self.text.count("\n", 0, node.at) + 1 in self.own

    # Calls

    @cached_property
    def calls(self) -> list[ServerCall]:
        """Every call of the server, in the order of the text."""
        return [call for node in walk(self.program) if (call := self.server_call(node))]

    def server_call(self, node: Node) -> ServerCall | None:
        if not isinstance(node, nodes.Call) or not self._is_server(node.function):
            return None
        first = node.arguments[0] if node.arguments else None
        command = first.value.lower() if isinstance(first, nodes.Constant) and isinstance(first.value, str) else ""
        return ServerCall(node, command, node.arguments[1:])

    def _is_server(self, node: Expression) -> bool:
        if self.names_member(node, SERVER, ("call", "pcall")):
            return True
        variable = self.scopes.variable(node)
        return bool(variable and variable.values) and all(value and self._is_server(value) for value in variable.values)  # type: ignore[union-attr]

    def names_member(self, node: Node, tables: tuple[str, ...], members: tuple[str, ...]) -> bool:
        """Say whether a node is `table.member` of a global table."""
        if not (isinstance(node, nodes.Index) and self.scopes.is_global(node.table, *tables)):
            return False
        return isinstance(node.key, nodes.Constant) and node.key.value in members

    def calls_of(self, function: nodes.Function) -> Iterator[nodes.Call]:
        """Yield the calls of a local function."""
        for node in walk(self.program):
            if isinstance(node, nodes.Call) and self.function_of(node) is function:
                yield node

    def function_of(self, call: nodes.Call) -> nodes.Function | None:
        """Return the local function that is called."""
        variable = self.scopes.variable(call.function)
        values = [value for value in variable.values if value] if variable else []
        return values[0] if len(values) == 1 and isinstance(values[0], nodes.Function) else None

    def values(self, node: Expression | None) -> list[Expression | None]:
        """Return what an expression may be: of a local, all that it is set to."""
        variable: Variable | None = self.scopes.variable(node) if node else None
        return variable.values if variable and not variable.parameter else [node]

    def executed(self) -> Iterator[Node]:
        """Yield the nodes in the order in which they run: functions where they are called, loops twice."""
        yield from self._run(self.program, frozenset())

    def _run(self, block: Block, inside: frozenset[int]) -> Iterator[Node]:
        for statement in block:
            rounds = 2 if isinstance(statement, nodes.While | nodes.Repeat | nodes.NumericFor | nodes.GenericFor) else 1
            for _ in range(rounds):
                yield from self._run_node(statement, inside)

    def _run_node(self, node: Node, inside: frozenset[int]) -> Iterator[Node]:
        if isinstance(node, nodes.Function):
            return
        for child in nodes.children(node):
            yield from self._run_node(child, inside)
        yield node
        function = self.function_of(node) if isinstance(node, nodes.Call) else None
        if function and id(function) not in inside:
            yield from self._run(function.body, inside | {id(function)})
