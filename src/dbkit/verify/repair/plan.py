"""A repair's statements, in the order in which they can run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dbkit.postgres.catalog import Catalog
from dbkit.postgres.objects import RELATIONS, Key, Object
from dbkit.verify.repair import access, columns, types
from dbkit.verify.repair.decide import Decisions
from dbkit.verify.repair.kinds import KINDS
from dbkit.verify.repair.names import named, qualified, quoted, relation
from dbkit.verify.repair.order import needed_first, needs_of_new
from dbkit.verify.repair.partitions import deviating, like, straightened
from dbkit.verify.repair.renames import given_back
from dbkit.verify.repair.step import Sides, Step, When


@dataclass(frozen=True, slots=True)
class Repair:
    """A statement, and the difference that it is for: the key of the object."""

    cause: Key
    step: Step


def plan_repair(expected: Catalog, found: Catalog, owner: str) -> list[Repair]:
    """Return the statements that turn the one catalog into the other, in the order in which they can run."""
    renames, renamed = given_back(expected, found)
    ahead = [Repair(side.key, step) for pair, step in renames for side in pair]
    return ahead + Writer(Sides(expected, renamed, owner)).repairs()


class Writer:
    """Writes down what was decided."""

    def __init__(self, sides: Sides) -> None:
        self.sides = sides
        self.decided = Decisions(sides)
        self.expected, self.found = sides.expected.objects, sides.found.objects

    def repairs(self) -> list[Repair]:
        """Return the statements in order, each once for a difference."""
        steps = [
            *self._released(),
            *self._dropped(self.decided.first),
            *self._asides(),
            *self._made(),
            *self._moved(),
            *self._dropped(self.decided.last),
            *self._partitions(),
        ]
        return sorted(dict.fromkeys(steps), key=lambda repair: repair.step.when)

    def _dropped(self, keys: dict[Key, Key]) -> Iterator[Repair]:
        for key in reversed(needed_first(keys, self.sides.found.needs)):
            if key not in self.decided.implied:
                for step in self._drop(key):
                    yield Repair(keys[key], step)

    def _drop(self, key: Key) -> list[Step]:
        if key[0] == "default":
            return [columns.drop_default(self.found["column", *key[1:]])]
        return self._drop_thing(self.found[key])

    def _drop_thing(self, thing: Object) -> list[Step]:
        match thing.kind:
            case "column":
                return [columns.drop(thing)] if thing.details["of"] not in {"v", "m"} else []
            case "constraint":
                return [Step(f"ALTER TABLE {relation(thing)} DROP CONSTRAINT {quoted(thing.name)}")]
            case "default privileges":
                return access.drop_default(thing, self.sides)
            case "event trigger":
                return [Step(f"DROP {named(thing)}", when=When.SESSION)]
            case "publication" | "server" if thing.details.get("owner", self.sides.owner) != self.sides.owner:
                return [Step(f"DROP {named(thing)}", when=When.SESSION if thing.kind == "publication" else When.AFTERWARDS)]
            case "table":
                return [Step(f"DROP {named(thing)}", loses=f"the rows of {thing.shown}")]
            case _:
                return [Step(f"DROP {named(thing)}")]

    def _moved(self) -> Iterator[Repair]:
        """Attach what should be a partition, detach what should be none: their rows stay."""
        catalogs = ((self.sides.expected, "ATTACH"), (self.sides.found, "DETACH"))
        for key in self.decided.moved:
            catalog, verb = next(pair for pair in catalogs if any(part.table.key == key for part in pair[0].partitions))
            part = next(part for part in catalog.partitions if part.table.key == key)
            if verb == "ATTACH":
                for step in self.decided.altered(like(part.table, self.found[key]), self.found[key]) or ():
                    yield Repair(key, step)
            bound = f" {part.table.details['bound']}" if verb == "ATTACH" else ""
            yield Repair(key, Step(f"ALTER TABLE {qualified(part.parent)} {verb} PARTITION {qualified(part.table)}{bound}"))

    def _released(self) -> Iterator[Repair]:
        """A sequence that should belong to another column must not go with the one that it belongs to now."""
        for key, thing in self.found.items():
            owned = thing.details.get("owned_by")
            if key in self.expected and owned and owned != self.expected[key].details.get("owned_by"):
                yield Repair(key, Step(f"ALTER {named(thing)} OWNED BY NONE"))

    def _asides(self) -> Iterator[Repair]:
        for key, cause in self.decided.remade.items():
            if self.found[key].details.get("owner", self.sides.owner) != self.sides.owner:
                yield Repair(cause, access.owner(replace(self.found[key], details={"owner": self.sides.owner}))[0])
            yield Repair(cause, types.step_aside(self.found[key]))

    def _made(self) -> Iterator[Repair]:
        nodes = {*self.decided.new, *self.decided.changed}
        for key in needed_first(nodes, needs_of_new(self.sides.expected)):
            cause = self.decided.new.get(key, key)
            for step in self._make(key):
                yield Repair(cause, step)

    def _make(self, key: Key) -> list[Step]:
        if key in self.decided.changed:
            return self.decided.changed[key]
        if key[0] == "default":
            column = ("column", *key[1:])
            return [] if column in self.decided.new else [columns.set_default(self.expected[column])]
        thing = self.expected[key]
        if thing.kind == "column" and self._comes_with_its_relation(thing):
            return []
        steps = KINDS[thing.kind][0](thing, self.sides)
        if key in self.decided.remade:
            steps += types.move_columns(self.found[key], self._columns_of(key))
        return steps

    def _partitions(self) -> Iterator[Repair]:
        for part in deviating(self.sides.expected, self.sides.found):
            make = lambda thing: KINDS[thing.kind][0](thing, self.sides)  # noqa: E731
            for step in straightened(part, self.sides.expected, self.decided.altered, make, self._drop_thing):
                yield Repair(part.key, step)

    def _comes_with_its_relation(self, column: Object) -> bool:
        return any((kind, column.schema, "", column.relation) in self.decided.new for kind in RELATIONS)

    def _columns_of(self, kind: Key) -> list[tuple[Object, Object | None]]:
        keys = [key for key in sorted(self.decided.dependents.get(kind, ())) if key[0] == "column" and key not in self.decided.first]
        there = [self.found[key] for key in keys if key in self.found]
        return [(column, self.expected.get(column.key)) for column in there if column.details["of"] in {"r", "p"}]
