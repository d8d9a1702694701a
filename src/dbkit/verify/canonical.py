"""Texts that two majors print differently and that say the same: compared by way of PostgreSQL's own parser and deparser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from dbkit.postgres.partitions import deviations, given

if TYPE_CHECKING:
    from dbkit.postgres.catalog import Catalog
    from dbkit.postgres.objects import Key, Object
    from dbkit.postgres.partitions import Partition

MAINTAIN_SINCE = 17
# how each text becomes a statement; other properties are no SQL
FRAMES = {
    ("view", "definition"): "{}",
    ("materialized view", "definition"): "{}",
    ("function", "definition"): "{}",
    ("procedure", "definition"): "{}",
    ("function", "arguments"): "CREATE FUNCTION f({}) RETURNS integer RETURN 1",
    ("procedure", "arguments"): "CREATE PROCEDURE f({}) LANGUAGE sql AS ''",
    ("rule", "definition"): "{}",
    ("statistics", "definition"): "{}",
    ("trigger", "definition"): "{}",
    ("policy", "definition"): "CREATE POLICY p ON t {}",
    ("constraint", "definition"): "ALTER TABLE t ADD CONSTRAINT c {}",
    ("index", "definition"): "CREATE INDEX i ON t USING {}",
    ("column", "default"): "SELECT {}",
    ("column", "generated"): "ALTER TABLE t ADD COLUMN c integer {}",
    ("domain", "default"): "SELECT {}",
}


def aligned(expected: Catalog, found: Catalog) -> tuple[Catalog, Catalog]:
    """Return both so that what means the same is the same: the expected one takes the found one's words.

    Privileges that the older server does not know are left out. On one major nothing has to be done.
    """
    if expected.major == found.major:
        return expected, found
    if min(expected.major, found.major) < MAINTAIN_SINCE:
        expected, found = (_without_maintain(side) for side in (expected, found))
    objects = {key: _reworded(thing, found.objects[key]) if key in found.objects else thing for key, thing in expected.objects.items()}
    return replace(expected, objects=objects), found


def _reworded(expected: Object, found: Object) -> Object:
    details = dict(expected.details)
    for name, due in expected.details.items():
        there = found.details.get(name)
        if due != there and _same(expected.kind, name, due, there):
            details[name] = there
    return replace(expected, details=details)


def _same(kind: str, name: str, due: Any, there: Any) -> bool:
    if name == "checks" and isinstance(due, dict) and isinstance(there, dict):
        return due.keys() == there.keys() and all(_same("constraint", "definition", due[check], there[check]) for check in due)
    frame = FRAMES.get((kind, name))
    if frame is None or not isinstance(due, str) or not isinstance(there, str):
        return False
    one, other = (canonical(frame.format(text.replace("{relation}", "t"))) for text in (due, there))
    return one is not None and one == other


@cache
def canonical(statement: str) -> str | None:
    """Return the statement as the deparser writes it, without names of tables that nothing needs; None where it does not parse."""
    import postgast

    try:
        tree = postgast.parse(statement)
        _unqualify(tree, "")
        return str(postgast.deparse(tree))
    except postgast.PgQueryError:
        return None


def _unqualify(node: Any, alone: str) -> None:
    """Take the table's name off columns where the query reads one table: older majors print it, newer ones don't."""
    if node.DESCRIPTOR.name in {"SelectStmt", "UpdateStmt", "DeleteStmt"}:
        alone = _only_table(node)
    elif node.DESCRIPTOR.name == "ColumnRef" and alone and len(node.fields) == 2 and node.fields[0].string.sval == alone:
        del node.fields[0]
    for descriptor, value in node.ListFields():
        if descriptor.message_type is None:
            continue
        for child in value if descriptor.is_repeated else [value]:
            _unqualify(child, alone)


def _only_table(node: Any) -> str:
    if node.DESCRIPTOR.name != "SelectStmt":
        return "" if getattr(node, "from_clause", None) or getattr(node, "using_clause", None) else _alias(node.relation)
    tables = node.from_clause
    if len(tables) != 1:
        return ""
    kind = tables[0].WhichOneof("node")
    table = getattr(tables[0], kind)
    if kind == "range_var":
        return _alias(table)
    return str(table.alias.aliasname) if hasattr(table, "alias") else ""


def _alias(table: Any) -> str:
    return str(table.alias.aliasname or table.relname)


def _without_maintain(catalog: Catalog) -> Catalog:
    objects = {key: _known(thing) for key, thing in catalog.objects.items()}
    return replace(catalog, objects=objects, partitions=tuple(_known_partition(part, objects) for part in catalog.partitions))


def _known(thing: Object) -> Object:
    if "privileges" not in thing.details:
        return thing
    kept = frozenset(privilege for privilege in thing.details["privileges"] if privilege.name != "MAINTAIN")
    return replace(thing, details={**thing.details, "privileges": kept})


def _known_partition(part: Partition, objects: Mapping[Key, Object]) -> Partition:
    parent, table = _known(part.parent), _known(part.table)
    others = {name: text for name, text in part.deviations.items() if " " in name}
    return replace(part, parent=parent, table=table, deviations={**deviations(parent, table, given(objects.values(), table)), **others})
