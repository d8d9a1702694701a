"""Enums, domains, composites, ranges. A type that can't be changed in place is made again, and its columns go over to it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dbkit.postgres.objects import Object
from dbkit.verify.repair import access
from dbkit.verify.repair.names import literal, named, qualified, quoted
from dbkit.verify.repair.step import Sides, Step, When

OLD = "__before"


def create(kind: Object, sides: Sides) -> list[Step]:
    """Make the type."""
    details, name = kind.details, qualified(kind)
    match kind.kind:
        case "enum":
            text = f"CREATE TYPE {name} AS ENUM ({', '.join(map(literal, details.get('labels') or ()))})"
        case "range":
            text = f"CREATE TYPE {name} AS RANGE ({details['definition']})"
        case "composite":
            text = f"CREATE TYPE {name} AS ({', '.join(details.get('attributes') or ())})"
        case _:
            text = _domain(kind)
    return [Step(text), *access.of_new(kind, sides), *_comments(kind, {})]


def _domain(kind: Object) -> str:
    details = kind.details
    words = [f"CREATE DOMAIN {qualified(kind)} AS {details['type']}"]
    words += [f"COLLATE {details['collation']}"] if details.get("collation") else []
    words += [f"DEFAULT {details['default']}"] if details.get("default") else []
    words += ["NOT NULL"] if details.get("not_null") else []
    return " ".join(words + [f"CONSTRAINT {quoted(name)} {check}" for name, check in sorted((details.get("checks") or {}).items())])


def _comments(kind: Object, there: Mapping[str, str]) -> list[Step]:
    """Return what leads from the comments that attributes or checks have to those that they should have."""
    due = kind.details.get("comments_within") or {}
    part = "COLUMN {0}.{1}" if kind.kind == "composite" else "CONSTRAINT {1} ON DOMAIN {0}"
    return [
        Step(f"COMMENT ON {part.format(qualified(kind), quoted(name))} IS {literal(due[name]) if name in due else 'NULL'}")
        for name in sorted({*due, *there})
        if due.get(name) != there.get(name)
    ]


def _left(expected: Object, found: Object) -> dict[str, str]:
    """Return the comments that are still there when the attributes or checks that differ have gone."""
    comments = (found.details.get("comments_within") or {}).items()
    if found.kind == "domain":
        due, there = (side.details.get("checks") or {} for side in (expected, found))
        return {name: text for name, text in comments if due.get(name) == there[name]}
    kept = [attribute for attribute in found.details["attributes"] if attribute in (expected.details.get("attributes") or ())]
    return {name: text for name, text in comments if any(attribute.startswith(f"{quoted(name)} ") for attribute in kept)}


def alter_enum(expected: Object, found: Object, name: str, sides: Sides) -> list[Step] | None:
    """Add the labels that are missing, each at its place, before the transaction: it could not use them."""
    del sides
    due, there = list(expected.details.get("labels") or ()), list(found.details.get("labels") or ())
    if name != "labels" or [label for label in due if label in there] != there:
        return None
    steps = []
    for place, label in enumerate(due):
        if label not in there:
            where = f"AFTER {literal(due[place - 1])}" if place else f"BEFORE {literal(there[0])}" if there else ""
            steps.append(Step(f"ALTER TYPE {qualified(expected)} ADD VALUE {literal(label)} {where}".rstrip(), when=When.BEFORE))
    return steps


def alter_domain(expected: Object, found: Object, name: str, sides: Sides) -> list[Step] | None:
    """Change one property of a domain; another base type is another domain."""
    del sides
    due, there = expected.details.get(name), found.details.get(name)
    head = f"ALTER DOMAIN {qualified(expected)}"
    match name:
        case "default":
            return [Step(f"{head} {'DROP DEFAULT' if due is None else f'SET DEFAULT {due}'}")]
        case "not_null":
            return [Step(f"{head} {'SET' if due else 'DROP'} NOT NULL")]
        case "checks":
            before, now = there or {}, due or {}
            gone = [Step(f"{head} DROP CONSTRAINT {quoted(check)}") for check in sorted(before) if before[check] != now.get(check)]
            added = [
                Step(f"{head} ADD CONSTRAINT {quoted(check)} {now[check]}") for check in sorted(now) if before.get(check) != now[check]
            ]
            return [*gone, *added, *_comments(expected, _left(expected, found))]
        case "comments_within":
            return _comments(expected, _left(expected, found))
        case _:
            return None


def alter_composite(expected: Object, found: Object, name: str, sides: Sides) -> list[Step] | None:
    """Add attributes at the end, drop others, comment on them; any other difference is another type."""
    del sides
    if name == "comments_within":
        return _comments(expected, _left(expected, found))
    due, there = list(expected.details.get("attributes") or ()), list(found.details.get("attributes") or ())
    kept = [attribute for attribute in there if attribute in due]
    if name != "attributes" or due[: len(kept)] != kept:
        return None
    head = f"ALTER TYPE {qualified(expected)}"
    gone = [
        Step(f"{head} DROP ATTRIBUTE {name}", loses=f"what is in {expected.shown}.{name}")
        for name in (_name(attribute) for attribute in there if attribute not in due)
    ]
    added = [Step(f"{head} ADD ATTRIBUTE {attribute}") for attribute in due[len(kept) :]]
    return [*gone, *added, *_comments(expected, _left(expected, found))]


def _name(attribute: str) -> str:
    """Return an attribute's name, quoted where it has to be."""
    return re.sub(r'^("(?:[^"]|"")*"|[^ ]+) .*', r"\1", attribute)


def step_aside(kind: Object) -> Step:
    """Give the type that is there another name."""
    return Step(f"ALTER {named(kind)} RENAME TO {quoted(kind.name + OLD)}")


def move_columns(kind: Object, columns: list[tuple[Object, Object | None]]) -> list[Step]:
    """Let each column of the old type (as found, as expected) go over to the new one by way of its text, then drop the old."""
    steps = []
    for found, expected in columns:
        due, name = (expected or found).details["type"], quoted(found.name)
        text = f"ALTER TABLE {quoted(found.schema)}.{quoted(found.relation or '')} ALTER COLUMN {name} TYPE {due} USING {name}::text::{due}"
        steps.append(Step(text, loses=f"none, but a row whose {found.shown} is no {due} stops the script here"))
    keyword = named(kind).partition(" ")[0]
    return [*steps, Step(f"DROP {keyword} {quoted(kind.schema)}.{quoted(kind.name + OLD)}")]
