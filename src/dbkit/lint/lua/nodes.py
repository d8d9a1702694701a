"""The parts of a Lua program. `at` is the offset of a part's first character."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import TypeAlias, Union, cast


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """The name of a local or a global."""

    at: int
    id: str


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A string, number, boolean or nil."""

    at: int
    value: str | float | bool | None


@dataclass(frozen=True, slots=True, eq=False)
class Vararg:
    """`...`"""

    at: int


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """`function (parameters) body end`"""

    at: int
    parameters: tuple[Name, ...]
    body: Block


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """`function(arguments)`, or with `method`: `function:method(arguments)`."""

    at: int
    function: Expression
    arguments: tuple[Expression, ...]
    method: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """`table[key]`, or `table.key`."""

    at: int
    table: Expression
    key: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """An operator and its one or two operands."""

    at: int
    operator: str
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """`{ [key] = value, … }`; a key that is not written is None."""

    at: int
    keys: tuple[Expression | None, ...]
    values: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Local:
    """`local names = values`"""

    at: int
    names: tuple[Name, ...]
    values: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LocalFunction:
    """`local function name …`"""

    at: int
    name: Name
    function: Function


@dataclass(frozen=True, slots=True, eq=False)
class Assign:
    """`targets = values`, or `function target …`."""

    at: int
    targets: tuple[Expression, ...]
    values: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A call that stands alone."""

    at: int
    call: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Do:
    """`do body end`"""

    at: int
    body: Block


@dataclass(frozen=True, slots=True, eq=False)
class While:
    """`while condition do body end`"""

    at: int
    condition: Expression
    body: Block


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """`repeat body until condition`"""

    at: int
    body: Block
    condition: Expression


@dataclass(frozen=True, slots=True, eq=False)
class If:
    """A condition for each block; there is one block more with `else`."""

    at: int
    conditions: tuple[Expression, ...]
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, eq=False)
class NumericFor:
    """`for name = first, last, step do body end`"""

    at: int
    name: Name
    bounds: tuple[Expression, ...]
    body: Block


@dataclass(frozen=True, slots=True, eq=False)
class GenericFor:
    """`for names in values do body end`"""

    at: int
    names: tuple[Name, ...]
    values: tuple[Expression, ...]
    body: Block


@dataclass(frozen=True, slots=True, eq=False)
class Return:
    """`return values`"""

    at: int
    values: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Break:
    """`break`"""

    at: int


Expression: TypeAlias = Union[Name, Constant, Vararg, Function, Call, Index, Operation, Table]  # noqa: UP007 it names classes that refer to it
Statement: TypeAlias = Union[  # noqa: UP007
    Local, LocalFunction, Assign, Run, Do, While, Repeat, If, NumericFor, GenericFor, Return, Break
]
Block: TypeAlias = tuple[Statement, ...]
Node: TypeAlias = Union[Expression, Statement]  # noqa: UP007


def children(node: Node) -> Iterator[Node]:
    """Yield the parts of a node, in the order of its fields."""
    for field in fields(node):
        yield from _nodes(getattr(node, field.name))


def _nodes(value: object) -> Iterator[Node]:
    if isinstance(value, tuple):
        for item in value:
            yield from _nodes(item)
    elif is_dataclass(value):
        yield cast("Node", value)


def walk(node: Node | Block, *, into_functions: bool = True) -> Iterator[Node]:
    """Yield a node, or the nodes of a block, and all that is in them."""
    if isinstance(node, tuple):
        for item in node:
            yield from walk(item, into_functions=into_functions)
        return
    yield node
    if into_functions or not isinstance(node, Function):
        for child in children(node):
            yield from walk(child, into_functions=into_functions)
