"""Functions, procedures, aggregates, operators, operator classes, casts."""

from __future__ import annotations

from dbkit.postgres.objects import Object
from dbkit.verify.repair import access
from dbkit.verify.repair.names import named, qualified
from dbkit.verify.repair.step import Sides, Step


def create(routine: Object, sides: Sides) -> list[Step]:
    """Make the function or procedure, as the server prints it."""
    return [Step(routine.details["definition"].rstrip()), *access.of_new(routine, sides)]


def alter(expected: Object, found: Object, name: str, sides: Sides) -> list[Step] | None:
    """Replace it in place where result and arguments are the same; else it has to be dropped first."""
    del sides
    same = all(expected.details.get(part) == found.details.get(part) for part in ("result", "arguments"))
    return [Step(expected.details["definition"].rstrip())] if name == "definition" and same else None


def create_aggregate(aggregate: Object, sides: Sides) -> list[Step]:
    """Make the aggregate."""
    name = qualified(aggregate).partition("(")[0]
    text = f"CREATE AGGREGATE {name}({aggregate.details['arguments'] or '*'}) ({aggregate.details['definition']})"
    return [Step(text), *access.of_new(aggregate, sides)]


def create_operator(operator: Object, sides: Sides) -> list[Step]:
    """Make the operator."""
    text = f"CREATE OPERATOR {qualified(operator).partition('(')[0]} ({operator.details['definition']})"
    return [Step(text), *access.of_new(operator, sides)]


def create_class(thing: Object, sides: Sides) -> list[Step]:
    """Make the operator class, or the family, which says nothing but its name."""
    text = f"CREATE {named(thing)}"
    if thing.kind == "operator class":
        text = f"CREATE OPERATOR CLASS {qualified(thing).partition(' USING ')[0]} {thing.details['definition']}"
    return [Step(text), *access.of_new(thing, sides)]


def create_cast(cast: Object, sides: Sides) -> list[Step]:
    """Make the cast."""
    return [Step(f"CREATE {named(cast)} {cast.details['definition']}"), *access.of_new(cast, sides)]


def alter_nothing(expected: Object, found: Object, name: str, sides: Sides) -> None:
    """Make it again, whatever differs."""
    del expected, found, name, sides
