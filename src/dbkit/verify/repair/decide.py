"""What a repair drops, makes and changes: what stands in the way goes first and comes back."""

from __future__ import annotations

from dbkit.postgres.objects import RELATIONS, Key, Object
from dbkit.verify.repair import access
from dbkit.verify.repair.kinds import KINDS, TYPES
from dbkit.verify.repair.names import relation
from dbkit.verify.repair.order import dependents
from dbkit.verify.repair.step import Sides, Step

# unexpected ones of these go before anything is made; others when nothing needs them any more
AT_ONCE = frozenset({"default privileges", "constraint", "index", "trigger", "policy", "rule", "event trigger", "statistics", "cast"})
ROUTINES = frozenset({"function", "procedure", "aggregate"})
# they go with what they belong to, and nothing that we drop waits for them
LEFT_ALONE = frozenset({"sequence", "table", "foreign table", "schema", "extension", "publication", "default privileges", "server"})


class Decisions:
    """Keys to drop first, to make, to drop last, each with the difference that asks for it; what is changed in place, with its steps.

    `remade` types step aside for new ones, `implied` parts come and go with their table, `moved` tables are attached or detached.
    """

    def __init__(self, sides: Sides) -> None:
        self.sides = sides
        self.expected, self.found = sides.expected.objects, sides.found.objects
        self.dependents = dependents(sides.found.needs)
        self.first: dict[Key, Key] = {}
        self.new: dict[Key, Key] = {}
        self.last: dict[Key, Key] = {}
        self.changed: dict[Key, list[Step]] = {}
        self.remade: dict[Key, Key] = {}
        self.implied: set[Key] = set()
        self.moved: list[Key] = []
        self._compare()

    def _compare(self) -> None:
        missing = {key for key in self.expected if key not in self.found}
        unexpected = {key for key in self.found if key not in self.expected}
        partitions = {part.table.key for side in (self.sides.expected, self.sides.found) for part in side.partitions}
        self.moved = sorted(key for key in missing | unexpected if key in partitions)
        moving = {key for key in missing | unexpected if whole(key, set(self.moved)) in self.moved}
        for key in sorted(missing - moving):
            self.new[key] = whole(key, missing)
        taken = {_name(key) for key in missing}
        for key in sorted(unexpected - moving):
            if whole(key, unexpected) != key or self._will_be_inherited(key):
                self.implied.add(key)
            else:
                self.last[key] = key
        for key in sorted(unexpected - moving):
            if _name(key) in taken or (key[0] in AT_ONCE and key not in self.implied):
                self._drop_first(whole(key, unexpected), whole(key, unexpected))
        for key, thing in self.expected.items():
            if key in self.found and thing.details != self.found[key].details:
                self._change(thing, self.found[key])

    def _will_be_inherited(self, key: Key) -> bool:
        """Say whether it is a column that a table has of its own, and has from its parent when that is its parent again."""
        table = self.expected.get(("table", key[1], "", key[2]))
        parents = (table.details.get("inherits") or ()) if table and key[0] == "column" else ()
        return any(other[0] == "column" and other[3] == key[3] and relation(thing) in parents for other, thing in self.expected.items())

    def _change(self, expected: Object, found: Object) -> None:
        key = expected.key
        if key in self.first:
            return
        steps = self.altered(expected, found)
        if steps is None:
            self._make_again(key, key)
            return
        if key[0] == "column" and {"type", "collation"} & {*_differing(expected, found)}:
            self._reshape(key)
        self.changed[key] = steps

    def altered(self, expected: Object, found: Object) -> list[Step] | None:
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
        if key in self.first:
            return
        self.first[key] = cause
        self.last.pop(key, None)
        self.changed.pop(key, None)
        if key in self.expected:
            self.new.setdefault(key, cause)
        if key[0] in RELATIONS:
            for part in self.found:
                if part[1:3] == (key[1], key[3]):
                    self._with_the_relation(part, cause)
        for dependent in sorted(self.dependents.get(key, ())):
            self._obstruct(dependent, cause)

    def _with_the_relation(self, part: Key, cause: Key) -> None:
        self.implied.add(part)
        self.first.setdefault(part, cause)
        self.changed.pop(part, None)
        if part in self.expected:
            self.new.setdefault(part, cause)
        for dependent in sorted(self.dependents.get(part, ())):
            self._obstruct(dependent, cause)

    def _obstruct(self, key: Key, cause: Key) -> None:
        """Take out of the way what needs something that goes."""
        if key in self.first or key in self.implied or key[0] in LEFT_ALONE:
            return
        if key[0] == "default":
            self.first[key] = cause
            column = self.expected.get(("column", *key[1:]))
            if column and column.details.get("default"):
                self.new.setdefault(key, cause)
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
        if key in self.remade:
            return
        self.last.pop(key, None)
        self.changed.pop(key, None)
        if key not in self.expected:
            self.last[key] = cause
            return
        self.remade[key] = cause
        self.new.setdefault(key, cause)
        for dependent in sorted(self.dependents.get(key, ())):
            if dependent[0] == "column" and dependent in self.found and not self.found[dependent].details.get("generated"):
                self._reshape(dependent)
            self._obstruct(dependent, cause)


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
