"""The way back, as far as the text of a migration tells it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dbkit.routines.order import created
from dbkit.source.objections import needs_no_transaction
from dbkit.source.statements import Statement, parse

TODO = "-- TODO "


def draft_rollback(script: str) -> str:
    """Return what undoes the script, last statement first.

    What the text alone can't undo becomes a line `-- TODO …` that says what is lost. Raises ScriptSyntaxError.
    """
    parsed = parse(script)
    made = {name for statement in parsed if statement.kind in _TABLES for name in created(statement)}
    lines = [line for statement in reversed(parsed) for line in _undone(statement, made)]
    bare = any(needs_no_transaction(statement) for statement in parsed) and any("CONCURRENTLY" in line for line in lines)
    return "\n".join((["-- transactional: false"] if bare else []) + lines) + "\n"


_TABLES = {"create_stmt", "create_table_as_stmt", "view_stmt"}
_DATA = {"insert_stmt", "update_stmt", "delete_stmt", "truncate_stmt", "copy_stmt", "merge_stmt"}
_NOTHING = {"comment_stmt", "select_stmt", "vacuum_stmt", "variable_set_stmt", "lock_stmt"}


def _undone(statement: Statement, made: set[str]) -> Iterator[str]:
    """Yield the statements that undo one; none for what goes with a table that this script makes."""
    node = statement.node
    if getattr(node, "DESCRIPTOR", None) and _table_of(node) in made and statement.kind not in _TABLES:
        return
    match statement.kind:
        case kind if kind in _NOTHING:
            return
        case "alter_table_stmt":
            yield from _alter_undone(statement)
        case "rename_stmt":
            yield _rename_undone(statement)
        case "grant_stmt":
            yield _flipped_grant(statement)
        case "alter_enum_stmt":
            yield _todo(statement, "a label can't be taken out of an enum: make the type anew, or let it stay")
        case "drop_stmt":
            yield _todo(statement, "write the definition that was dropped; the rows are lost")
        case kind if kind in _DATA:
            yield _todo(statement, "what the rows were before is not in the text")
        case _:
            yield _dropped(statement)


def _table_of(node: Any) -> str:
    """Return the table that the statement works on, if it names one."""
    for field in ("relation", "table"):
        if field in node.DESCRIPTOR.fields_by_name and node.HasField(field):
            relation = getattr(node, field)
            return f"{relation.schemaname}.{relation.relname}" if relation.schemaname else str(relation.relname)
    return ""


def _dropped(statement: Statement) -> str:
    import postgast

    try:
        text = str(postgast.to_drop(statement.text))
    except (ValueError, postgast.PgQueryError):
        return _todo(statement, "write what undoes it")
    if statement.kind == "index_stmt" and statement.node.concurrent:
        text = text.replace("DROP INDEX", "DROP INDEX CONCURRENTLY", 1)
    return f"{text};"


def _alter_undone(statement: Statement) -> Iterator[str]:
    """Undo the parts of an ALTER TABLE, last first."""
    from dbkit.source.templates import identifier

    relation = statement.node.relation
    table = ".".join(identifier(part) for part in (relation.schemaname, relation.relname) if part)
    for command in reversed(statement.node.cmds):
        back = _command_undone(command.alter_table_cmd)
        if back is None:
            yield _todo(statement, "what it was before is not in the text")
        elif back:
            yield f"ALTER TABLE {table} {back};"


def _command_undone(command: Any) -> str | None:
    """Return the opposite of one part of an ALTER TABLE; empty where there is nothing to undo, None where it is not known."""
    from postgast import pg_query_pb2 as kinds

    from dbkit.source.templates import identifier

    name = identifier(command.name) if command.name else ""
    definition = getattr(command, "def")
    known: dict[int, str] = {
        kinds.AT_AddColumn: f"DROP COLUMN {identifier(definition.column_def.colname)}",
        kinds.AT_AddConstraint: f"DROP CONSTRAINT {identifier(definition.constraint.conname)}",
        kinds.AT_SetNotNull: f"ALTER COLUMN {name} DROP NOT NULL",
        kinds.AT_DropNotNull: f"ALTER COLUMN {name} SET NOT NULL",
        kinds.AT_EnableRowSecurity: "DISABLE ROW LEVEL SECURITY",
        kinds.AT_DisableRowSecurity: "ENABLE ROW LEVEL SECURITY",
        kinds.AT_ForceRowSecurity: "NO FORCE ROW LEVEL SECURITY",
        kinds.AT_NoForceRowSecurity: "FORCE ROW LEVEL SECURITY",
        kinds.AT_EnableTrig: f"DISABLE TRIGGER {name}",
        kinds.AT_DisableTrig: f"ENABLE TRIGGER {name}",
        kinds.AT_ValidateConstraint: "",
    }
    if command.subtype == kinds.AT_AddConstraint and not definition.constraint.conname:
        return None
    return known.get(command.subtype)


def _rename_undone(statement: Statement) -> str:
    """Swap the two names."""
    import postgast
    from postgast import pg_query_pb2 as kinds

    tree = postgast.parse(statement.text)
    node = tree.stmts[0].stmt.rename_stmt
    if node.rename_type in {kinds.OBJECT_COLUMN, kinds.OBJECT_TABCONSTRAINT}:
        node.subname, node.newname = node.newname, node.subname
    elif node.rename_type in {kinds.OBJECT_TABLE, kinds.OBJECT_INDEX, kinds.OBJECT_VIEW, kinds.OBJECT_MATVIEW, kinds.OBJECT_SEQUENCE}:
        node.relation.relname, node.newname = node.newname, node.relation.relname
    else:
        return _todo(statement, "rename it back")
    return f"{postgast.deparse(tree)};"


def _flipped_grant(statement: Statement) -> str:
    import postgast

    tree = postgast.parse(statement.text)
    node = tree.stmts[0].stmt.grant_stmt
    node.is_grant = not node.is_grant
    return f"{postgast.deparse(tree)};"


def _todo(statement: Statement, why: str) -> str:
    return f"{TODO}{' '.join(statement.text.split())[:100]}: {why}"
