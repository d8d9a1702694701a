"""What is missing under one name and there under another: renamed by hand, most likely, and its rows with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from dbkit.postgres.catalog import Catalog
from dbkit.postgres.objects import Key, Object
from dbkit.verify.repair.names import named, qualified, quoted, relation
from dbkit.verify.repair.step import Step, When

KINDS = ("table", "sequence", "enum", "domain", "composite", "range", "column", "constraint", "index")
BESIDE = frozenset({"owned_by", "comment", "privileges", "owner", "storage", "statistics", "options", "compression"})
Pair = tuple[Object, Object]


def given_back(expected: Catalog, found: Catalog) -> tuple[list[tuple[Pair, Step]], Catalog]:
    """Return each rename (as found, as expected) with its statement, and what is found after all of them."""
    steps: list[tuple[Pair, Step]] = []
    for kind in KINDS:
        pairs = list(_pairs(kind, expected, found))
        steps += [((one, other), _rename(one, other.name)) for one, other in pairs]
        for one, other in pairs:
            found = _renamed(found, one, other.name)
    return steps, found


def _pairs(kind: str, expected: Catalog, found: Catalog) -> Iterator[Pair]:
    """Find those that are alike in everything but the name, where there is one of them on either side."""
    missing = [thing for key, thing in expected.objects.items() if key[0] == kind and key not in found.objects]
    extra = [thing for key, thing in found.objects.items() if key[0] == kind and key not in expected.objects]
    for thing in extra:
        alike = [other for other in missing if _alike(thing, other, found, expected)]
        twins = [other for other in extra if _alike(other, thing, found, found)]
        if len(alike) == len(twins) == 1:
            yield thing, alike[0]


def _alike(one: Object, other: Object, ones: Catalog, others: Catalog) -> bool:
    if (one.schema, one.relation, _essence(one)) != (other.schema, other.relation, _essence(other)):
        return False
    return one.kind != "table" or _columns(one, ones) == _columns(other, others)


def _essence(thing: Object) -> Mapping[str, Any]:
    """Leave out what changes with a rename, or may well have been changed beside it."""
    return {name: value for name, value in thing.details.items() if name not in BESIDE}


def _columns(table: Object, catalog: Catalog) -> list[tuple[str, str]]:
    return [(column.name, column.details["type"]) for column in catalog.parts(table.schema, table.name, "column")]


def _rename(thing: Object, name: str) -> Step:
    match thing.kind:
        case "column" | "constraint":
            text = f"ALTER TABLE {relation(thing)} RENAME {thing.kind.upper()} {quoted(thing.name)} TO {quoted(name)}"
        case "index":
            text = f"ALTER INDEX {qualified(thing)} RENAME TO {quoted(name)}"
        case _:
            text = f"ALTER {named(thing)} RENAME TO {quoted(name)}"
    return Step(text, when=When.SESSION)  # ahead of what says a new name


def _renamed(catalog: Catalog, thing: Object, name: str) -> Catalog:
    """Return the catalog with another name for one object: in the texts, too, where they name it with its schema."""
    before, part_of = thing.key, (thing.schema, thing.name)
    mention = re.compile(rf"(?<![\w.\"]){re.escape(qualified(thing))}(?![\w\"])")
    now = qualified(replace(thing, name=name))

    def rewritten(value: Any) -> Any:
        if thing.relation:
            return value
        if isinstance(value, str):
            return mention.sub(lambda _match: now, value)
        return [rewritten(item) for item in value] if isinstance(value, list) else value

    def key(old: Key) -> Key:
        if old == before or (thing.kind == "column" and old == ("default", *before[1:])):
            return old[0], old[1], old[2], name
        return old[0], old[1], name if thing.kind == "table" and old[1:3] == part_of else old[2], rewritten(old[3])

    objects = {}
    for old, value in catalog.objects.items():
        new = key(old)
        details = {property_name: rewritten(text) for property_name, text in value.details.items()}
        objects[new] = replace(value, name=new[3], relation=new[2] or None, details=details)
    needs = {key(old): frozenset(map(key, others)) for old, others in catalog.needs.items()}
    partitions = tuple(
        replace(part, parent=replace(part.parent, name=name)) if part.parent.key == before else part for part in catalog.partitions
    )
    return replace(catalog, objects=objects, needs=needs, partitions=partitions)
