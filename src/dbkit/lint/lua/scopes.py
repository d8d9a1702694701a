"""Which name means which local, and what each local is given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dbkit.lint.lua import nodes
from dbkit.lint.lua.nodes import Block, Expression, Name, Node


@dataclass(slots=True, eq=False)
class Variable:
    """A local.

    `values` are what it is set to (None where that can't be seen), `elements` what is put into it or, for the variable
    of a loop, what the loop goes over; `parameter` is its place where it is a function's.
    """

    name: str
    values: list[Expression | None] = field(default_factory=list)
    elements: list[Expression] = field(default_factory=list)
    loops_over: Expression | None = None
    parameter: tuple[nodes.Function, int] | None = None


@dataclass(slots=True)
class Scopes:
    """The variables of a program, by the names that mean them."""

    variables: dict[int, Variable] = field(default_factory=dict)
    globals: list[tuple[Name, bool]] = field(default_factory=list)  # and whether it is set there

    def variable(self, node: Node) -> Variable | None:
        """Return the local that a name means; None for a global, and for what is no name."""
        return self.variables.get(id(node))

    def is_global(self, node: Node, *ids: str) -> bool:
        return isinstance(node, Name) and node.id in ids and id(node) not in self.variables


def resolve(program: Block) -> Scopes:
    """Look through a program."""
    resolver = _Resolver()
    resolver.block(program)
    return resolver.scopes


class _Resolver:
    def __init__(self) -> None:
        self.scopes = Scopes()
        self.stack: list[dict[str, Variable]] = [{}]

    def declare(self, name: Name, **about: object) -> Variable:
        variable = Variable(name.id, **about)  # type: ignore[arg-type]
        self.stack[-1][name.id] = variable
        self.scopes.variables[id(name)] = variable
        return variable

    def use(self, name: Name, *, is_set: bool = False) -> Variable | None:
        for scope in reversed(self.stack):
            if name.id in scope:
                self.scopes.variables[id(name)] = scope[name.id]
                return scope[name.id]
        self.scopes.globals.append((name, is_set))
        return None

    def block(self, statements: Block) -> None:
        self.stack.append({})
        for statement in statements:
            self.statement(statement)
        self.stack.pop()

    def statement(self, statement: nodes.Statement) -> None:
        match statement:
            case nodes.Local(names=names, values=values):
                self.expressions(values)
                for name, value in zip(names, _spread(values, len(names)), strict=True):
                    self.declare(name, values=[value])
            case nodes.LocalFunction(name=name, function=function):
                self.declare(name, values=[function])
                self.expressions([function])
            case nodes.Assign(targets=targets, values=values):
                self.expressions(values)
                for target, value in zip(targets, _spread(values, len(targets)), strict=True):
                    self._assign(target, value)
            case nodes.NumericFor(name=name, bounds=bounds, body=body):
                self.expressions(bounds)
                self._loop([name], None, body)
            case nodes.GenericFor(names=names, values=values, body=body):
                self.expressions(values)
                self._loop(names, values[0], body)
            case nodes.Repeat(body=body, condition=condition):  # the condition sees the body's locals
                self.stack.append({})
                for inner in body:
                    self.statement(inner)
                self.expressions([condition])
                self.stack.pop()
            case _:
                self._parts(statement)

    def _parts(self, statement: nodes.Statement) -> None:
        match statement:
            case nodes.If(conditions=conditions, blocks=blocks):
                self.expressions(conditions)
                for block in blocks:
                    self.block(block)
            case nodes.While(condition=condition, body=body):
                self.expressions([condition])
                self.block(body)
            case nodes.Do(body=body):
                self.block(body)
            case _:
                self.expressions(nodes.children(statement))

    def _assign(self, target: Expression, value: Expression | None) -> None:
        if isinstance(target, Name):
            variable = self.use(target, is_set=True)
            if variable:
                variable.values.append(value)
            return
        self.expressions([target])
        if isinstance(target, nodes.Index) and value is not None:
            variable = self.scopes.variable(target.table)
            if variable:
                variable.elements.append(value)

    def _loop(self, names: Iterable[Name], over: Expression | None, body: Block) -> None:
        self.stack.append({})
        for name in names:
            self.declare(name, values=[None], loops_over=over)
        self.block(body)
        self.stack.pop()

    def expressions(self, found: Iterable[Node]) -> None:
        for expression in found:
            match expression:
                case Name():
                    self.use(expression)
                case nodes.Function(parameters=parameters, body=body):
                    self.stack.append({})
                    for position, parameter in enumerate(parameters):
                        self.declare(parameter, parameter=(expression, position))
                    self.block(body)
                    self.stack.pop()
                case _:
                    self.expressions(nodes.children(expression))


def _spread(values: tuple[Expression, ...], count: int) -> list[Expression | None]:
    """Return a value for each of that many names; a call at the end may give several."""
    spread: list[Expression | None] = list(values[:count])
    if values and len(values) < count and isinstance(values[-1], nodes.Call):
        spread[-1] = None if len(values) > count else values[-1]
        return spread + [None] * (count - len(values))
    return spread + [nodes.Constant(0, None)] * (count - len(values))
