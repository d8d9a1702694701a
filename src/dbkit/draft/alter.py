"""The way back of an ALTER TABLE, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dbkit.draft.names import relation
from dbkit.source.statements import Statement
from dbkit.source.templates import identifier

WIDTH = 80  # of a line that is not broken


def objects_added(statement: Statement) -> Iterator[str]:
    """Yield the columns and constraints that an ALTER TABLE adds, as schema.table.name."""
    from postgast import pg_query_pb2 as kinds

    if statement.kind != "alter_table_stmt":
        return
    for item in statement.node.cmds:
        command = item.alter_table_cmd
        definition = getattr(command, "def")
        if command.subtype == kinds.AT_AddColumn:
            yield f"{relation(statement.node.relation)}.{definition.column_def.colname}"
        if command.subtype == kinds.AT_AddConstraint and definition.constraint.conname:
            yield f"{relation(statement.node.relation)}.{definition.constraint.conname}"


def alter_undone(statement: Statement, is_made: Callable[[str], bool]) -> Iterator[str | None]:
    """Yield what undoes the parts, last first; for one whose past the text does not tell, None.

    `is_made` says whether the script makes an object: what is done to such a one goes with it, but for the foreign keys,
    which would keep the tables that they point at.
    """
    from postgast import pg_query_pb2 as kinds

    node = statement.node
    name = relation(node.relation)
    verb = "ALTER TYPE" if node.objtype == kinds.OBJECT_TYPE else "ALTER TABLE"
    quoted = ".".join(identifier(part) for part in name.split("."))
    for item in reversed(node.cmds):
        command = item.alter_table_cmd
        is_key = getattr(command, "def").constraint.contype == kinds.CONSTR_FOREIGN
        part_is_made = command.name and command.subtype != kinds.AT_AddColumn and is_made(f"{name}.{command.name}")
        if (is_made(name) and not is_key) or part_is_made or node.objtype == kinds.OBJECT_INDEX:
            continue  # an index that is attached goes with its table
        back = _part_undone(command, "ATTRIBUTE" if verb == "ALTER TYPE" else "COLUMN")
        if back != "":
            yield back and f"{verb} {quoted}{' ' if len(quoted + back) < WIDTH else chr(10)}{back};"


def _part_undone(command: Any, member: str) -> str | None:
    """Return the opposite of one part; empty where there is nothing to undo, None where the text does not tell."""
    from postgast import pg_query_pb2 as kinds

    name = identifier(command.name) if command.name else ""
    definition = getattr(command, "def")
    if command.subtype == kinds.AT_AddConstraint:
        constraint = definition.constraint
        return f"DROP CONSTRAINT {identifier(constraint.conname)}" if constraint.conname else None
    if command.subtype in {kinds.AT_AttachPartition, kinds.AT_AddInherit}:
        other = definition.partition_cmd.name if definition.HasField("partition_cmd") else definition.range_var
        child = ".".join(identifier(part) for part in relation(other).split("."))
        return f"DETACH PARTITION {child}" if command.subtype == kinds.AT_AttachPartition else f"NO INHERIT {child}"
    known: dict[int, str] = {
        kinds.AT_AddColumn: f"DROP {member} {identifier(definition.column_def.colname)}",
        kinds.AT_SetNotNull: f"ALTER COLUMN {name} DROP NOT NULL",
        kinds.AT_DropNotNull: f"ALTER COLUMN {name} SET NOT NULL",
        kinds.AT_AddIdentity: f"ALTER COLUMN {name} DROP IDENTITY",
        kinds.AT_EnableRowSecurity: "DISABLE ROW LEVEL SECURITY",
        kinds.AT_DisableRowSecurity: "ENABLE ROW LEVEL SECURITY",
        kinds.AT_ForceRowSecurity: "NO FORCE ROW LEVEL SECURITY",
        kinds.AT_NoForceRowSecurity: "FORCE ROW LEVEL SECURITY",
        kinds.AT_EnableTrig: f"DISABLE TRIGGER {name}",
        kinds.AT_DisableTrig: f"ENABLE TRIGGER {name}",
        kinds.AT_SetLogged: "SET UNLOGGED",
        kinds.AT_SetUnLogged: "SET LOGGED",
        kinds.AT_ValidateConstraint: "",
    }
    return known.get(command.subtype)
