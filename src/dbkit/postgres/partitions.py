"""Partitions count as their parent: each is compared with it, and what it has of its own is kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dbkit.postgres.objects import Key, Object, Privilege

# a table's own: its partitions' are other ones, or none
OF_THE_PARENT = frozenset({"partitioned_by", "partition_of", "bound", "comment", "tablespace", "access_method"})
# what a part never takes from its parent's, or can't have
OF_THE_PARENTS_PART = frozenset({"comment", "of", "clustered", "tablespace", "identity", "privileges", "statistics"})


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition: its table, its own columns, indexes, triggers …, and in what of that it is not as its parent."""

    parent: Object
    table: Object
    parts: tuple[Object, ...]
    deviations: Mapping[str, str | None]

    @property
    def key(self) -> Key:
        """What all partitions of a parent share that deviate in the same way."""
        return "partition", self.parent.schema, self.parent.name, self.shape

    @property
    def shape(self) -> str:
        """How it deviates, in whatever partition of that parent: names and bounds don't matter."""
        return json.dumps([self.parent.schema, self.parent.name, dict(self.deviations)], sort_keys=True)


def folded(found: Iterable[Object]) -> tuple[dict[Key, Object], tuple[Partition, ...]]:
    """Take the partitions and their parts out of the objects."""
    things = list(found)
    tables = {f"{thing.schema}.{thing.name}": thing for thing in things if thing.kind in {"table", "foreign table"}}
    children = {name for name, thing in tables.items() if "partition_of" in thing.details}
    parts: dict[str, list[Object]] = {}
    objects = {}
    for thing in things:
        of_relation = f"{thing.schema}.{thing.relation}"
        if thing.relation:
            parts.setdefault(of_relation, []).append(thing)
        itself = thing.kind in {"table", "foreign table"} and f"{thing.schema}.{thing.name}" in children
        if not itself and not (thing.relation and of_relation in children):
            objects[thing.key] = thing
    by_default = [thing for thing in things if thing.kind == "default privileges"]
    partitions = []
    for name in sorted(children):
        parent = str(tables[name].details["partition_of"])
        if parent in tables:
            partitions.append(
                _partition(tables[parent], tables[name], parts.get(parent, []), parts.get(name, []), given(by_default, tables[name]))
            )
    return objects, tuple(partitions)


def _partition(parent: Object, child: Object, due: list[Object], own: list[Object], by_default: frozenset[Privilege]) -> Partition:
    differing = deviations(parent, child, by_default)
    mine = {(part.kind, part.name): of_a_partition(part) for part in own}
    theirs = {(part.kind, part.name): of_a_partition(part) for part in due if is_inherited(part)}
    for kind, name in sorted({*mine, *theirs}):
        if mine.get((kind, name)) != theirs.get((kind, name)):
            differing[f"{kind} {name}"] = _text(mine.get((kind, name)))
    return Partition(parent, child, tuple(own), differing)


def deviations(parent: Object, child: Object, by_default: frozenset[Privilege]) -> dict[str, str | None]:
    """Return the properties of a partition's own table that are not as its parent's; of privileges what goes beyond."""
    names = sorted({*child.details, *parent.details} - OF_THE_PARENT - {"privileges"})
    differing = {name: _text(child.details.get(name)) for name in names if child.details.get(name) != parent.details.get(name)}
    beyond = child.details["privileges"] - allowed(parent, child, by_default)
    return differing | ({"privileges": _text(beyond)} if beyond else {})


def allowed(parent: Object, child: Object, by_default: frozenset[Privilege]) -> frozenset[Privilege]:
    """Return which privileges a partition may have: its owner's, the parent's, and what is given by default; it needs none."""
    theirs: frozenset[Privilege] = parent.details["privileges"]
    return theirs | by_default | {privilege for privilege in child.details["privileges"] if privilege.grantee == child.details["owner"]}


def given(things: Iterable[Object], table: Object) -> frozenset[Privilege]:
    """Return the privileges that a new table of that schema has by default."""
    found: set[Privilege] = set()
    for thing in things:
        if thing.kind == "default privileges" and thing.details["on"] == "r" and thing.schema in {table.schema, ""}:
            found |= thing.details["privileges"]
    return frozenset(found)


def is_inherited(part: Object) -> bool:
    """Say whether a partition gets that part of its parent."""
    if part.kind == "trigger":
        return "FOR EACH ROW" in part.details["definition"]
    return part.kind not in {"policy", "rule"}


def of_a_partition(part: Object) -> Mapping[str, Any]:
    """Return the properties in which a part of a partition is compared."""
    return {name: value for name, value in part.details.items() if name not in OF_THE_PARENTS_PART}


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, frozenset):
        return ", ".join(sorted(map(str, value)))
    return json.dumps(value, sort_keys=True, default=str)
