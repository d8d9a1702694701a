"""Partitions that are not as their parent, or as the rebuild's are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from dbkit.postgres.catalog import Catalog
from dbkit.postgres.objects import Object
from dbkit.postgres.partitions import OF_THE_PARENT, Partition, allowed, given, is_inherited, of_a_partition
from dbkit.verify.repair.step import Step

Parts = dict[tuple[str, str], Object]


def deviating(expected: Catalog, found: Catalog) -> list[Partition]:
    """Return the partitions that are neither as their parent nor as one of the rebuild's partitions."""
    due = {part.shape for part in expected.partitions}
    known = {thing.key for thing in (*expected.objects.values(), *(part.table for part in found.partitions))}
    return [part for part in found.partitions if part.deviations and part.shape not in due and part.parent.key in known]


def straightened(
    part: Partition,
    expected: Catalog,
    alter: Callable[[Object, Object], list[Step] | None],
    make: Callable[[Object], list[Step]],
    drop: Callable[[Object], list[Step]],
) -> Iterator[Step]:
    """Yield the statements that make a partition as the rebuild's one of that name, or as most of its kind, or as the parent."""
    table, parts = _pattern(part, expected)
    due = like(table, part.table)
    if "privileges" in due.details:
        may_have = allowed(part.parent, part.table, given(expected.objects.values(), part.table)) | due.details["privileges"]
        due = replace(due, details={**due.details, "privileges": part.table.details["privileges"] & may_have})
    yield from alter(due, part.table) or ()
    # what is not as it should be with the parent, too, is put right there
    parts = {key: pattern for key, pattern in parts.items() if " ".join(key) in part.deviations}
    mine = {(own.kind, own.name): own for own in part.parts if f"{own.kind} {own.name}" in part.deviations}
    for key in [key for key in mine if key not in parts]:
        yield from drop(mine[key])
    for key, pattern in parts.items():
        wanted = replace(pattern, schema=part.table.schema, relation=part.table.name)
        if key not in mine:
            yield from make(wanted)
            continue
        wanted = replace(wanted, details=_overlaid(mine[key].details, wanted))
        steps = alter(wanted, mine[key])
        yield from [*drop(mine[key]), *make(wanted)] if steps is None else steps


def like(pattern: Object, table: Object) -> Object:
    """Return a partition's table with what it has of its own, and all else as the pattern has it."""
    own = {name: value for name, value in table.details.items() if name in OF_THE_PARENT}
    return replace(table, details=own | {name: value for name, value in pattern.details.items() if name not in OF_THE_PARENT})


def _overlaid(own: Mapping[str, Any], wanted: Object) -> dict[str, Any]:
    compared = of_a_partition(wanted)
    return {name: value for name, value in own.items() if name not in of_a_partition(replace(wanted, details=own))} | dict(compared)


def _pattern(part: Partition, expected: Catalog) -> tuple[Object, Parts]:
    siblings = [other for other in expected.partitions if other.parent.key == part.parent.key]
    namesakes = [other for other in siblings if other.table.key == part.table.key]
    common = Counter(other.shape for other in siblings).most_common(1)
    like = namesakes or [other for other in siblings if common and other.shape == common[0][0]]
    if like:
        return like[0].table, {(own.kind, own.name): own for own in like[0].parts}
    parent = expected.objects.get(part.parent.key, part.parent)
    own = [thing for thing in expected.objects.values() if (thing.schema, thing.relation) == (parent.schema, parent.name)]
    return parent, {(thing.kind, thing.name): thing for thing in own if is_inherited(thing)}
