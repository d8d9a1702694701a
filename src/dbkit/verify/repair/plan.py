"""Which objects are dropped, made and changed, and in which order: what stands in the way goes first and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from dbkit.postgres.catalog import Catalog
from dbkit.postgres.objects import RELATIONS, Key, Object
from dbkit.verify.repair import access, columns, types
from dbkit.verify.repair.kinds import KINDS, TYPES
from dbkit.verify.repair.names import named, quoted, relation
from dbkit.verify.repair.order import dependents, needed_first, needs_of_new
from dbkit.verify.repair.partitions import deviating, straightened
from dbkit.verify.repair.renames import given_back
from dbkit.verify.repair.step import Sides, Step, When

# unexpected ones of these go before anything is made; others when nothing needs them any more
AT_ONCE = frozenset({"constraint", "index", "trigger", "policy", "rule", "event trigger", "statistics", "cast"})
ROUTINES = frozenset({"function", "procedure", "aggregate"})
# they go with what they belong to, and nothing that we drop waits for them
LEFT_ALONE = frozenset({"sequence", "table", "foreign table", "schema", "extension", "publication", "default privileges", "server"})


@dataclass(frozen=True, slots=True)
class Repair:
    """A statement, and the difference that it is for: the key of the object."""

    cause: Key
    step: Step


@dataclass
class _Plan:
    """Keys to drop first, to make, to drop last, with the difference that asks for it; what is changed in place, with its steps."""

    sides: Sides
    first: dict[Key, Key] = field(default_factory=dict)
    new: dict[Key, Key] = field(default_factory=dict)
    last: dict[Key, Key] = field(default_factory=dict)
    changed: dict[Key, list[Step]] = field(default_factory=dict)
    remade_types: dict[Key, Key] = field(default_factory=dict)
    implied: set[Key] = field(default_factory=set)


def plan_repair(expected: Catalog, found: Catalog, owner: str) -> list[Repair]:
    """Return the statements that turn the one catalog into the other, in the order in which they can run."""
    renames, renamed = given_back(expected, found)
    ahead = [Repair(side.key, step) for pair, step in renames for side in pair]
    return ahead + Planner(Sides(expected, renamed, owner)).repairs()


class Planner:
    """Finds out what a repair takes."""

    def __init__(self, sides: Sides) -> None:
        self.sides = sides
        self.expected, self.found = sides.expected.objects, sides.found.objects
        self.plan = _Plan(sides)
        self.dependents = dependents(sides.found.needs)

    def repairs(self) -> list[Repair]:
        """Return the statements in order."""
        self._compare()
        steps = [
            *self._released(),
            *self._dropped(self.plan.first),
            *self._asides(),
            *self._made(),
            *self._dropped(self.plan.last),
            *self._partitions(),
        ]
        seen: set[tuple[Key, Step]] = set()
        unique = []
        for repair in steps:
            if (repair.cause, repair.step) not in seen:
                unique.append(repair)
                seen.add((repair.cause, repair.step))
        return sorted(unique, key=lambda repair: repair.step.when)

    # what has to happen

    def _compare(self) -> None:
        missing = [key for key in self.expected if key not in self.found]
        unexpected = [key for key in self.found if key not in self.expected]
        for key in missing:
            self.plan.new[key] = whole(key, set(missing))
        taken = {_name(key) for key in missing}
        for key in unexpected:
            cause = whole(key, set(unexpected))
            if cause != key or self._will_be_inherited(key):
                self.plan.implied.add(key)
            else:
                self.plan.last[key] = key
        for key in unexpected:
            if _name(key) in taken or (key[0] in AT_ONCE and key not in self.plan.implied):
                self._drop_first(whole(key, set(unexpected)), whole(key, set(unexpected)))
        for key, thing in self.expected.items():
            if key in self.found and thing.details != self.found[key].details:
                self._change(thing, self.found[key])

    def _will_be_inherited(self, key: Key) -> bool:
        """Say whether it is a column that a table has of its own, and has from its parent when that is its parent again."""
        table = self.expected.get(("table", key[1], "", key[2]))
        return key[0] == "column" and table is not None and bool(table.details.get("inherits"))

    def _change(self, expected: Object, found: Object) -> None:
        key = expected.key
        if key in self.plan.first:
            return
        steps = self._altered(expected, found)
        if steps is None:
            self._make_again(key, key)
            return
        if key[0] == "column" and {"type", "collation"} & {*_differing(expected, found)}:
            self._reshape(key)
        self.plan.changed[key] = steps

    def _altered(self, expected: Object, found: Object) -> list[Step] | None:
        """Return what leads from the one to the other; None where it has to be made again."""
        steps: list[Step] = []
        for name in _differing(expected, found):
            more = self._alter(expected, found, name)
            if more is None:
                return None
            steps += more
        return steps

    def _alter(self, expected: Object, found: Object, name: str) -> list[Step] | None:
        match name:
            case "owner":
                return [*access.owner(expected), *self._columns_change_hands(expected, found)]
            case "comment":
                return [access.comment(expected)]
            case "privileges" if expected.kind != "default privileges":
                there = found.details.get(name) or frozenset()
                if "owner" in expected.details:
                    there = access.inherited(there, found.details["owner"], expected.details["owner"])
                return access.privileges(expected, expected.details.get(name) or (), there, self.sides)
            case "result" | "arguments" if expected.kind in ROUTINES:
                return []  # the definition says it, too
            case "of" | "labels" if not expected.details.get(name) and not found.details.get(name):
                return []
            case _:
                return KINDS[expected.kind][1](expected, found, name, self.sides)

    def _columns_change_hands(self, expected: Object, found: Object) -> list[Step]:
        """What the columns' privileges lose with the old owner they get back."""
        steps = []
        for column in self.sides.found.parts(found.schema, found.name, "column"):
            there = access.inherited(column.details.get("privileges") or (), found.details["owner"], expected.details["owner"])
            due = self.expected[column.key].details.get("privileges") or () if column.key in self.expected else there
            steps += access.privileges(column, due, there, self.sides)
        return steps

    def _make_again(self, key: Key, cause: Key) -> None:
        if key[0] in TYPES:
            self._remake_type(key, cause)
        else:
            self._drop_first(key, cause)

    def _drop_first(self, key: Key, cause: Key) -> None:
        """Drop the object before anything is made, with what needs it; what is expected of that comes back."""
        if key in self.plan.first:
            return
        self.plan.first[key] = cause
        self.plan.last.pop(key, None)
        self.plan.changed.pop(key, None)
        if key in self.expected:
            self.plan.new.setdefault(key, cause)
        if key[0] in RELATIONS:
            for part in self.found:
                if part[1:3] == (key[1], key[3]):
                    self._with_the_relation(part, cause)
        for dependent in sorted(self.dependents.get(key, ())):
            self._obstruct(dependent, cause)

    def _with_the_relation(self, part: Key, cause: Key) -> None:
        self.plan.implied.add(part)
        self.plan.first.setdefault(part, cause)
        self.plan.changed.pop(part, None)
        if part in self.expected:
            self.plan.new.setdefault(part, cause)
        for dependent in sorted(self.dependents.get(part, ())):
            self._obstruct(dependent, cause)

    def _obstruct(self, key: Key, cause: Key) -> None:
        """Take out of the way what needs something that goes."""
        if key in self.plan.first or key in self.plan.implied or key[0] in LEFT_ALONE:
            return
        if key[0] == "default":
            self.plan.first[key] = cause
            column = self.expected.get(("column", *key[1:]))
            if column and column.details.get("default"):
                self.plan.new.setdefault(key, cause)
        elif key[0] == "column":
            if self.found[key].details.get("generated"):
                self._drop_first(key, cause)
        elif key[0] in TYPES:
            self._remake_type(key, cause)
        else:
            self._drop_first(key, cause)

    def _reshape(self, column: Key) -> None:
        """A column's type changes: indexes and constraints go along, what is bound to it doesn't."""
        default = ("default", *column[1:])
        if self.found[column].details.get("default") and not self.found[column].details.get("generated"):
            self._obstruct(default, column)
        for dependent in sorted(self.dependents.get(column, ())):
            if dependent[0] not in {"index", "constraint", "statistics"}:
                self._obstruct(dependent, column)

    def _remake_type(self, key: Key, cause: Key) -> None:
        if key in self.plan.remade_types:
            return
        self.plan.last.pop(key, None)
        self.plan.changed.pop(key, None)
        if key not in self.expected:
            self.plan.last[key] = cause
            return
        self.plan.remade_types[key] = cause
        self.plan.new.setdefault(key, cause)
        for dependent in sorted(self.dependents.get(key, ())):
            if dependent[0] == "column" and dependent in self.found and not self.found[dependent].details.get("generated"):
                self._reshape(dependent)
            self._obstruct(dependent, cause)

    # how it is written

    def _dropped(self, keys: dict[Key, Key]) -> Iterator[Repair]:
        for key in reversed(needed_first(keys, self.sides.found.needs)):
            if key not in self.plan.implied:
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
            case "publication" | "server" if thing.details["owner"] != self.sides.owner:
                return [Step(f"DROP {named(thing)}", when=When.SESSION if thing.kind == "publication" else When.AFTERWARDS)]
            case "table":
                return [Step(f"DROP {named(thing)}", loses=f"the rows of {thing.shown}")]
            case _:
                return [Step(f"DROP {named(thing)}")]

    def _released(self) -> Iterator[Repair]:
        """A sequence that should belong to another column must not go with the one that it belongs to now."""
        for key, thing in self.found.items():
            owned = thing.details.get("owned_by")
            if key in self.expected and owned and owned != self.expected[key].details.get("owned_by"):
                yield Repair(key, Step(f"ALTER {named(thing)} OWNED BY NONE"))

    def _asides(self) -> Iterator[Repair]:
        for key, cause in self.plan.remade_types.items():
            if self.found[key].details["owner"] != self.sides.owner:
                yield Repair(cause, access.owner(replace(self.found[key], details={"owner": self.sides.owner}))[0])
            yield Repair(cause, types.step_aside(self.found[key]))

    def _made(self) -> Iterator[Repair]:
        nodes = {*self.plan.new, *self.plan.changed}
        for key in needed_first(nodes, needs_of_new(self.sides.expected)):
            cause = self.plan.new.get(key, key)
            for step in self._make(key):
                yield Repair(cause, step)

    def _make(self, key: Key) -> list[Step]:
        if key in self.plan.changed:
            return self.plan.changed[key]
        if key[0] == "default":
            column = ("column", *key[1:])
            return [] if column in self.plan.new else [columns.set_default(self.expected[column])]
        thing = self.expected[key]
        if thing.kind == "column" and self._comes_with_its_relation(thing):
            return []
        steps = KINDS[thing.kind][0](thing, self.sides)
        if key in self.plan.remade_types:
            steps += types.move_columns(self.found[key], self._columns_of(key))
        return steps

    def _partitions(self) -> Iterator[Repair]:
        for part in deviating(self.sides.expected, self.sides.found):
            make = lambda thing: KINDS[thing.kind][0](thing, self.sides)  # noqa: E731
            for step in straightened(part, self.sides.expected, self._altered, make, self._drop_thing):
                yield Repair(part.key, step)

    def _comes_with_its_relation(self, column: Object) -> bool:
        return any((kind, column.schema, "", column.relation) in self.plan.new for kind in RELATIONS)

    def _columns_of(self, kind: Key) -> list[tuple[Object, Object | None]]:
        keys = [key for key in sorted(self.dependents.get(kind, ())) if key[0] == "column" and key not in self.plan.first]
        there = [self.found[key] for key in keys if key in self.found]
        return [(column, self.expected.get(column.key)) for column in there if column.details["of"] in {"r", "p"}]


def whole(key: Key, keys: set[Key]) -> Key:
    """Return the relation among `keys` that a part comes or goes with, else the key itself."""
    if not key[2]:
        return key
    return next((whole for kind in sorted(RELATIONS) if (whole := (kind, key[1], "", key[2])) in keys), key)


def _name(key: Key) -> tuple[str, ...]:
    """Return what two objects can't have at once: relations, types and indexes share names; so do routines of the same arguments."""
    kind, schema, table, name = key
    if kind in ROUTINES:
        return "routine", schema, name.partition("(")[0]
    if kind in RELATIONS or kind in TYPES or kind in {"sequence", "index"}:
        return "relation", schema, name
    return kind, schema, table, name


def _differing(expected: Object, found: Object) -> list[str]:
    """Return the properties that differ, in the order in which they can be changed."""
    names = {*expected.details, *found.details}
    differing = [name for name in names if expected.details.get(name) != found.details.get(name)]
    return sorted(differing, key=lambda name: (_place(name, expected), name))


def _place(name: str, expected: Object) -> int:
    if name == "identity" and not expected.details.get("identity"):
        return 0  # a column has no default and may not be nullable as long as it is one
    order = ["owner", "definition", "generated", "type", "collation", "default", "not_null", "identity", "storage"]
    return order.index(name) + 1 if name in order else len(order) + 1
