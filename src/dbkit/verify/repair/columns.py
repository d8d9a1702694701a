"""Columns."""

from __future__ import annotations

import re
from dataclasses import replace

from dbkit.postgres.objects import Object
from dbkit.verify.repair import access
from dbkit.verify.repair.names import (
    changed_foreign_options,
    changed_settings,
    foreign_options,
    literal,
    qualified,
    quoted,
    relation,
    setting,
)
from dbkit.verify.repair.step import Sides, Step

MAIN = re.compile(r"numeric|inet|cidr")
WIDER = {("timestamp with time zone", "date"), ("timestamp without time zone", "date"), ("double precision", "real")}
WHOLE = ("smallint", "integer", "bigint", "numeric")


def definition(column: Object) -> str:
    """Return the column as CREATE TABLE and ADD COLUMN take it."""
    details = column.details
    words = [quoted(column.name), details["type"]]
    if details.get("foreign_options"):
        words.append(foreign_options(details["foreign_options"]))
    if details.get("compression"):
        words.append(f"COMPRESSION {details['compression']}")
    if details.get("collation"):
        words.append(f"COLLATE {details['collation']}")
    if details.get("default"):
        words.append(f"DEFAULT {details['default']}")
    words += [details[name] for name in ("generated", "identity") if details.get(name)]
    return " ".join(words) + (" NOT NULL" if details.get("not_null") else "")


def besides(column: Object, sides: Sides) -> list[Step]:
    """Return what the column's definition can't say."""
    details = column.details
    steps = [_altered(column, f"SET STORAGE {details['storage']}")] if details.get("storage") else []
    if "statistics" in details:
        steps.append(_altered(column, f"SET STATISTICS {details['statistics']}"))
    if details.get("options"):
        steps.append(_altered(column, f"SET ({setting(details['options'])})"))
    return steps + access.of_new(column, sides)


def of_a_view(column: Object, sides: Sides) -> list[Step]:
    """Return what a view's definition does not say of its column."""
    steps = [_altered(column, f"SET DEFAULT {column.details['default']}")] if column.details.get("default") else []
    return steps + besides(column, sides)


def create(column: Object, sides: Sides) -> list[Step]:
    """Add the column; a view's comes with the view."""
    if column.details["of"] in {"v", "m"}:
        return of_a_view(column, sides)
    added = Step(f"ALTER TABLE {relation(column)} ADD COLUMN {definition(column)}")
    if not column.details.get("not_null") or any(column.details.get(name) for name in ("default", "generated", "identity")):
        return [added, *besides(column, sides)]
    nullable = replace(added, sql=added.sql.removesuffix(" NOT NULL"))
    fill = Step(by_hand=f"rows that are there need a value in {column.shown} before the next statement")
    return [nullable, fill, _altered(column, "SET NOT NULL"), *besides(column, sides)]


def drop(column: Object) -> Step:
    """Drop the column, with what it holds."""
    loses = "" if column.details.get("generated") else f"what is in column {column.shown}"
    return Step(f"ALTER TABLE {relation(column)} DROP COLUMN {quoted(column.name)}", loses=loses)


def drop_default(column: Object) -> Step:
    """Take the default away."""
    return _altered(column, "DROP DEFAULT")


def set_default(column: Object) -> Step:
    """Put the default in."""
    return _altered(column, f"SET DEFAULT {column.details['default']}")


def alter(expected: Object, found: Object, name: str, sides: Sides) -> list[Step] | None:  # noqa: C901 one case a property
    """Change one property; None where the column has to be made again."""
    due = expected.details.get(name)
    match name:
        case "generated":
            stored = str(found.details.get("generated")).endswith(" STORED")
            return [_altered(expected, "DROP EXPRESSION")] if due is None and stored else None
        case "type" | "collation":
            return [] if name == "collation" and expected.details["type"] != found.details["type"] else [retype(expected, found)]
        case "default":
            return [set_default(expected) if due else drop_default(expected)] if not expected.details.get("identity") else []
        case "not_null":
            return [_altered(expected, "SET NOT NULL" if due else "DROP NOT NULL")]
        case "identity":
            return _identity(expected, found)
        case "storage":
            return [_altered(expected, f"SET STORAGE {due or _own_storage(expected, sides)}")]
        case "compression":
            return [_altered(expected, f"SET COMPRESSION {due or 'default'}")]
        case "statistics":
            return [_altered(expected, f"SET STATISTICS {-1 if due is None else due}")]
        case "options":
            return [_altered(expected, action) for action in changed_settings(due, found.details.get(name))]
        case "foreign_options":
            return [_altered(expected, changed_foreign_options(due, found.details.get(name)))]
        case _:
            return None


def retype(expected: Object, found: Object) -> Step:
    """Change type and collation; the values are cast."""
    column, kind = quoted(expected.name), expected.details["type"]
    collation = f" COLLATE {expected.details['collation']}" if expected.details.get("collation") else ""
    by_text = "::text" if "." in kind + found.details["type"] else ""  # types of our own may have no cast
    using = "" if found.details.get("generated") or kind == found.details["type"] else f" USING {column}{by_text}::{kind}"
    return _altered(expected, f"TYPE {kind}{collation}{using}", loses=_narrowed(expected, found))


def _narrowed(expected: Object, found: Object) -> str:
    """Say what a cast can take away; nothing where the new type holds whatever the old one does."""
    due, there = expected.details["type"], found.details["type"]
    if due in {there, "text"} or (due, there) in WIDER or found.details.get("generated"):
        return ""
    if due in WHOLE and there in WHOLE and WHOLE.index(due) > WHOLE.index(there):
        return ""
    one, other = re.fullmatch(r"([a-z ]+?)(?:\((\d+)\))?", due), re.fullmatch(r"([a-z ]+?)(?:\((\d+)\))?", there)
    if one and other and one[1] == other[1] and other[2] and (one[2] is None or int(one[2]) > int(other[2])):
        return ""
    return f"what {there} holds in {expected.shown} and {due} does not"


def _identity(expected: Object, found: Object) -> list[Step]:
    due, there = expected.details.get("identity"), found.details.get("identity")
    if due is None:
        return [_altered(expected, "DROP IDENTITY")]
    if there is None:
        ahead = [drop_default(expected)] if found.details.get("default") else []
        table, column = relation(expected), quoted(expected.name)
        sequence = f"pg_get_serial_sequence({literal(table)}, {literal(expected.name)})"
        highest = f"SELECT setval({sequence}, max({column})) FROM {table} HAVING max({column}) IS NOT NULL"  # noqa: S608 names are quoted
        return [*ahead, _altered(expected, f"ADD {due}"), Step(highest)]
    taken = re.fullmatch(r"GENERATED (ALWAYS|BY DEFAULT) AS IDENTITY \((.*)\)", due)
    assert taken  # noqa: S101 the catalog's query writes it so
    options = re.findall(r"(?:START WITH|INCREMENT BY|MINVALUE|MAXVALUE|CACHE) -?\d+|(?:NO )?CYCLE", taken[2])
    return [_altered(expected, " ".join(f"SET {option}" for option in [f"GENERATED {taken[1]}", *options]))]


def _own_storage(column: Object, sides: Sides) -> str:
    """Name the type's own storage; 16 and later have a word for it."""
    if sides.found.major >= 16:
        return "DEFAULT"
    domains = (domain for key, domain in sides.expected.objects.items() if key[0] == "domain")
    base = next((domain.details["type"] for domain in domains if qualified(domain) == column.details["type"]), column.details["type"])
    return "MAIN" if MAIN.match(base) else "EXTENDED"


def _altered(column: Object, action: str, loses: str = "") -> Step:
    return Step(f"ALTER TABLE {relation(column)} ALTER COLUMN {quoted(column.name)} {action}", loses=loses)
