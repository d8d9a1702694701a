"""Which objects a statement makes or speaks of, by qualified name: schema.table, schema.table.column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dbkit.routines.order import created
from dbkit.source.statements import Statement


def relation(node: Any) -> str:
    """Return the name of a RangeVar as it is written."""
    return f"{node.schemaname}.{node.relname}" if node.schemaname else str(node.relname)


def named(statement: Statement) -> list[str]:
    """Return what a statement makes."""
    known = _MADE.get(statement.kind)
    return [known(statement.node)] if known else created(statement)


def dotted(node: Any) -> str:
    """Return the name in a COMMENT or a GRANT: a list of words, a type, a function, a single word."""
    match node.WhichOneof("node"):
        case "list":
            words = [item for item in node.list.items if item.HasField("string")]
            types = [item for item in node.list.items if item.HasField("type_name")]
            return ".".join([*(_joined(item.type_name.names) for item in types), *(word.string.sval for word in words)])
        case "type_name":
            return _joined(node.type_name.names)
        case "object_with_args":
            return _joined(node.object_with_args.objname)
        case "range_var":
            return relation(node.range_var)
        case "string":
            return str(node.string.sval)
        case _:
            return ""


def granted(statement: Statement) -> list[str]:
    """Return the objects of a GRANT or REVOKE."""
    return [dotted(item) for item in statement.node.objects] if statement.kind == "grant_stmt" else []


def _joined(words: Any) -> str:
    return ".".join(word.string.sval for word in words)


_MADE: dict[str, Callable[[Any], str]] = {
    "create_schema_stmt": lambda node: str(node.schemaname),
    "index_stmt": lambda node: f"{node.relation.schemaname}.{node.idxname}" if node.relation.schemaname else str(node.idxname),
    "create_trig_stmt": lambda node: f"{relation(node.relation)}.{node.trigname}",
    "create_policy_stmt": lambda node: f"{relation(node.table)}.{node.policy_name}",
    "rule_stmt": lambda node: f"{relation(node.relation)}.{node.rulename}",
    "create_range_stmt": lambda node: _joined(node.type_name),
    "create_stats_stmt": lambda node: _joined(node.defnames),
    "define_stmt": lambda node: _joined(node.defnames),
    "create_foreign_table_stmt": lambda node: relation(node.base_stmt.relation),
    "create_extension_stmt": lambda node: str(node.extname),
    "create_publication_stmt": lambda node: str(node.pubname),
    "create_event_trig_stmt": lambda node: str(node.trigname),
    "create_foreign_server_stmt": lambda node: str(node.servername),
    "create_fdw_stmt": lambda node: str(node.fdwname),
}
