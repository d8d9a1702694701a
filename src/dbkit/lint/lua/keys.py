"""Whether a key that a script touches is one of KEYS."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dbkit.lint.lua import nodes
from dbkit.lint.lua.nodes import Expression
from dbkit.lint.lua.program import Lua

PASS_ON = ("unpack", "ipairs", "pairs")


@dataclass(slots=True)
class Origins:
    """Follows values back to KEYS."""

    lua: Lua
    looked_at: set[int] = field(default_factory=set)

    def strangers(self, node: Expression | None, at: Expression) -> list[Expression]:
        """Return where, on the way from KEYS to a node, something comes in that is none of them; `at` is what stands for it.

        A function's parameter is what its callers give it, and it is theirs to answer for.
        """
        if node is None:
            return [at]
        if id(node) in self.looked_at:
            return []
        match node:
            case nodes.Name():
                return self._of_name(node, at)
            case nodes.Index(table=table):
                return self.strangers(table, at)
            case nodes.Operation(operator="or" | "and", operands=operands):
                return self._of_all(operands, at)
            case nodes.Table(values=values):
                return self._of_all(values, at)
            case nodes.Call(function=function, arguments=arguments) if arguments and self.lua.scopes.is_global(function, *PASS_ON):
                return self.strangers(arguments[0], at)
            case _:
                return [at]

    def _of_all(self, found: Iterable[Expression | None], at: Expression) -> list[Expression]:
        return list(dict.fromkeys(stranger for node in found for stranger in self.strangers(node, at)))

    def _of_name(self, name: nodes.Name, at: Expression) -> list[Expression]:
        variable = self.lua.scopes.variable(name)
        if variable is None:
            return [] if name.id == "KEYS" else [at]
        if id(variable) in self.looked_at:
            return []
        self.looked_at.add(id(variable))
        if variable.loops_over is not None:
            return self.strangers(variable.loops_over, at)
        found = self._of_all([*variable.values, *variable.elements], at)
        if variable.parameter:
            function, position = variable.parameter
            for call in self.lua.calls_of(function):
                argument = call.arguments[position] if position < len(call.arguments) else None
                if argument is not None:
                    found += [stranger for stranger in self.strangers(argument, argument) if stranger not in found]
        return found
