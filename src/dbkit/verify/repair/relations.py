"""Tables, foreign tables, views, materialised views, sequences."""

from __future__ import annotations

from dbkit.postgres.catalog import Catalog
from dbkit.postgres.objects import Object
from dbkit.postgres.partitions import Partition
from dbkit.verify.repair import access, columns
from dbkit.verify.repair.names import (
    changed_foreign_options,
    changed_settings,
    foreign_options,
    named,
    qualified,
    quoted,
    setting,
)
from dbkit.verify.repair.step import Sides, Step, When


def create_table(table: Object, sides: Sides) -> list[Step]:
    """Make the table with its columns, and its partitions."""
    details = table.details
    own = sides.expected.parts(table.schema, table.name, "column")
    body = f" OF {details['of_type']}" if details.get("of_type") else " (" + ",".join(f"\n    {columns.definition(c)}" for c in own) + "\n)"
    unlogged = "UNLOGGED " if details.get("persistence") == "UNLOGGED" else ""
    head = f"CREATE {unlogged}{table.kind.upper()} {qualified(table)}{body}"
    steps = [Step(head + _clauses(table)), *_flags(table)]
    for part in sides.expected.partitions:
        if (part.parent.schema, part.parent.name) == (table.schema, table.name):
            steps += _partition(part, sides)
    for column in own:
        steps += columns.besides(column, sides)
    return steps + access.of_new(table, sides)


def _partition(part: Partition, sides: Sides) -> list[Step]:
    own = part.table
    clause = f" PARTITION BY {own.details['partitioned_by']}" if own.details.get("partitioned_by") else ""
    steps = [Step(f"CREATE TABLE {qualified(own)} PARTITION OF {qualified(part.parent)} {own.details['bound']}{clause}")]
    steps += access.of_new(own, sides)
    below = [p for p in sides.expected.partitions if (p.parent.schema, p.parent.name) == (own.schema, own.name)]
    return steps + [step for p in below for step in _partition(p, sides)]


def _clauses(table: Object) -> str:
    details = table.details
    words = [
        f"INHERITS ({', '.join(details['inherits'])})" if details.get("inherits") else "",
        f"PARTITION BY {details['partitioned_by']}" if details.get("partitioned_by") else "",
        f"SERVER {quoted(details['server'])}" if details.get("server") else "",
        foreign_options(details["foreign_options"]) if details.get("foreign_options") else "",
        f"USING {quoted(details['access_method'])}" if details.get("access_method") else "",
        _with(table),
        f"TABLESPACE {quoted(details['tablespace'])}" if details.get("tablespace") else "",
    ]
    return "".join(f" {word}" for word in words if word)


def _with(thing: Object) -> str:
    options, toast = thing.details.get("options") or [], thing.details.get("toast_options") or []
    both = ", ".join(filter(None, (setting(options), setting(toast, "toast."))))
    return f"WITH ({both})" if both else ""


def _flags(table: Object) -> list[Step]:
    details = table.details
    steps = [_altered(table, "ENABLE ROW LEVEL SECURITY")] if details.get("row_security") else []
    steps += [_altered(table, "FORCE ROW LEVEL SECURITY")] if details.get("forced_row_security") else []
    if details.get("replica_identity", "DEFAULT") != "DEFAULT":
        steps.append(_altered(table, f"REPLICA IDENTITY {details['replica_identity']}", When.CLOSING))
    return steps


def alter_table(expected: Object, found: Object, name: str, sides: Sides) -> list[Step] | None:  # noqa: C901 one case a property
    """Change one property of a table."""
    del sides
    due, there = expected.details.get(name), found.details.get(name)
    match name:
        case "options" | "toast_options":
            return [_altered(expected, action) for action in changed_settings(due, there, "toast." if name == "toast_options" else "")]
        case "persistence":
            return [_altered(expected, f"SET {due}")]
        case "tablespace":
            return [_altered(expected, f"SET TABLESPACE {quoted(due or 'pg_default')}")]
        case "access_method":
            return [_altered(expected, f"SET ACCESS METHOD {quoted(due or 'heap')}")]
        case "row_security":
            return [_altered(expected, f"{'ENABLE' if due else 'DISABLE'} ROW LEVEL SECURITY")]
        case "forced_row_security":
            return [_altered(expected, f"{'FORCE' if due else 'NO FORCE'} ROW LEVEL SECURITY")]
        case "replica_identity":
            return [_altered(expected, f"REPLICA IDENTITY {due}", When.CLOSING)]
        case "inherits":
            return [_altered(expected, f"NO INHERIT {parent}") for parent in there or () if parent not in (due or ())] + [
                _altered(expected, f"INHERIT {parent}") for parent in due or () if parent not in (there or ())
            ]
        case "of_type":
            return [_altered(expected, f"OF {due}" if due else "NOT OF")]
        case "foreign_options":
            return [_altered(expected, changed_foreign_options(due, there))]
        case "partitioned_by":
            how = f"PARTITION BY {due}" if due else "not partitioned"
            return [Step(by_hand=f"{expected.shown} should be {how}: make it under another name, move the rows, and swap the names")]
        case _:
            return None


def create_view(view: Object, sides: Sides) -> list[Step]:
    """Make the view, or the materialised one, filled."""
    words = [f"CREATE {named(view)}"]
    if view.details.get("access_method"):
        words.append(f"USING {quoted(view.details['access_method'])}")
    words += filter(None, [_with(view)])
    if view.details.get("tablespace"):
        words.append(f"TABLESPACE {quoted(view.details['tablespace'])}")
    steps = [Step(f"{' '.join(words)} AS\n{_query(view)}")]
    for column in sides.expected.parts(view.schema, view.name, "column"):
        steps += columns.of_a_view(column, sides)
    return steps + access.of_new(view, sides)


def alter_view(expected: Object, found: Object, name: str, sides: Sides) -> list[Step] | None:
    """Change the query in place where the columns that are there stay as they are, and the options."""
    if name == "definition" and expected.kind == "view":
        old, new = _columns(found, sides.found), _columns(expected, sides.expected)
        if new[: len(old)] != old:
            return None
        options = f" {_with(expected)}" if _with(expected) else ""
        return [Step(f"CREATE OR REPLACE VIEW {qualified(expected)}{options} AS\n{_query(expected)}")]
    if name == "options":
        return [
            Step(f"ALTER {named(expected)} {action}") for action in changed_settings(expected.details.get(name), found.details.get(name))
        ]
    if name == "tablespace":
        return [Step(f"ALTER {named(expected)} SET TABLESPACE {quoted(expected.details.get(name) or 'pg_default')}")]
    return None


def _columns(view: Object, catalog: Catalog) -> list[tuple[str, str, str | None]]:
    own = catalog.parts(view.schema, view.name, "column")
    return [(c.name, c.details["type"], c.details.get("collation")) for c in own]


def _query(view: Object) -> str:
    return str(view.details["definition"]).rstrip().removesuffix(";")


def create_sequence(sequence: Object, sides: Sides) -> list[Step]:
    """Make the sequence; its column is named when both are there."""
    unlogged = "UNLOGGED " if sequence.details.get("persistence") == "UNLOGGED" else ""
    steps = [Step(f"CREATE {unlogged}SEQUENCE {qualified(sequence)} {sequence.details['parameters']}")]
    if sequence.details.get("owned_by"):
        steps.append(Step(f"ALTER SEQUENCE {qualified(sequence)} OWNED BY {sequence.details['owned_by']}", when=When.CLOSING))
    return steps + access.of_new(sequence, sides)


def alter_sequence(expected: Object, found: Object, name: str, sides: Sides) -> list[Step] | None:
    """Change one property of a sequence; it goes on counting where it is."""
    del found, sides
    match name:
        case "parameters":
            return [Step(f"ALTER SEQUENCE {qualified(expected)} {expected.details[name]}")]
        case "owned_by":
            return [Step(f"ALTER SEQUENCE {qualified(expected)} OWNED BY {expected.details.get(name) or 'NONE'}", when=When.CLOSING)]
        case "persistence":
            return [Step(f"ALTER SEQUENCE {qualified(expected)} SET {expected.details[name]}")]
        case _:
            return None


def _altered(table: Object, action: str, when: When = When.WORK) -> Step:
    return Step(f"ALTER TABLE {qualified(table)} {action}", when=when)
