"""The way back, as far as the text of a migration tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dbkit.draft.alter import alter_undone, objects_added
from dbkit.draft.names import dotted, granted, named, relation
from dbkit.source.objections import needs_no_transaction
from dbkit.source.statements import Statement, parse
from dbkit.source.templates import identifier

TODO = "-- TODO "


def draft_rollback(script: str) -> str:
    """Return what undoes the script, last statement first.

    What the text alone can't undo becomes a line `-- TODO …` that says what is lost. Raises ScriptSyntaxError.
    """
    parsed = parse(script)
    made = _Made(parsed)
    lines = [line for statement in reversed(parsed) for line in made.undone(statement)]
    bare = any(needs_no_transaction(statement) for statement in parsed) and any("CONCURRENTLY" in line for line in lines)
    return "\n".join((["-- transactional: false"] if bare else []) + lines) + "\n"


_DATA = {"insert_stmt", "update_stmt", "delete_stmt", "truncate_stmt", "copy_stmt", "merge_stmt"}
_NOTHING = {"select_stmt", "refresh_mat_view_stmt", "vacuum_stmt", "variable_set_stmt", "lock_stmt", "constraints_set_stmt"}


class _Made:
    """What the script itself makes, by qualified name: it goes as a whole, so what is done to it needs no way back of its own."""

    def __init__(self, parsed: list[Statement]) -> None:
        self.names = {name for statement in parsed for name in [*named(statement), *objects_added(statement)]}
        # an index that a constraint takes over, and a sequence that a column owns, go with them
        self.taken = {name for statement in parsed for name, owner in _taken(statement) if not owner or self.has(owner)}

    def has(self, name: str) -> bool:
        """Say whether the object, or the table that it is part of, is made here."""
        parts = name.split(".")
        return any(".".join(parts[:count]) in self.names for count in range(1, len(parts) + 1))

    def undone(self, statement: Statement) -> Iterator[str]:
        """Yield the statements that undo one; none for what goes with an object that this script makes."""
        node = statement.node
        match statement.kind:
            case kind if kind in _NOTHING:
                return
            case kind if kind in _ALONE:
                yield _ALONE[kind](statement)
            case "alter_table_stmt":
                yield from (line or _todo(statement, "what it was before is not in the text") for line in alter_undone(statement, self.has))
            case kind if kind in _DATA:
                if not self.has(relation(node.relation) if kind != "truncate_stmt" else relation(node.relations[0].range_var)):
                    yield _todo(statement, "what the rows were before is not in the text")
            case "comment_stmt":
                if not self.has(dotted(node.object)):
                    yield _todo(statement, f"what it said before is not in the text; if nothing: {_without_comment(statement)}")
            case "grant_stmt" | "grant_role_stmt" | "alter_default_privileges_stmt":
                yield from self._grant_undone(statement)
            case _:
                yield from self._dropped(statement)

    def _grant_undone(self, statement: Statement) -> Iterator[str]:
        targets = granted(statement)
        if targets and all(self.has(target) for target in targets):
            return
        yield _flipped_grant(statement)

    def _dropped(self, statement: Statement) -> Iterator[str]:
        own = named(statement)
        node = statement.node
        table = relation(node.relation) if own and "relation" in node.DESCRIPTOR.fields_by_name and node.HasField("relation") else ""
        part = statement.kind != "create_stmt" and table and self.has(table)
        if part or (statement.kind == "create_policy_stmt" and self.has(relation(node.table))):
            return
        if any(name in self.taken for name in own) or (statement.kind == "alter_seq_stmt" and self.has(relation(node.sequence))):
            return
        drop = drop_of(statement)
        if not drop:
            yield _todo(statement, "write what undoes it")
        elif getattr(node, "replace", False):
            yield _todo(statement, f"if it was not there before: {drop} else write its definition of then")
        else:
            yield drop


def _taken(statement: Statement) -> Iterator[tuple[str, str]]:
    """Yield each index that becomes a constraint's, and each sequence that becomes a column's, with that column."""
    if statement.kind == "alter_seq_stmt":
        owned = [option.def_elem.arg.list for option in statement.node.options if option.def_elem.defname == "owned_by"]
        if owned and owned[0].items[0].string.sval != "none":
            yield relation(statement.node.sequence), ".".join(item.string.sval for item in owned[0].items)
    if statement.kind == "alter_table_stmt":
        for command in statement.node.cmds:
            index = getattr(command.alter_table_cmd, "def").constraint.indexname
            if index:
                yield f"{statement.node.relation.schemaname}.{index}" if statement.node.relation.schemaname else index, ""


# where postgast knows no DROP: the words, and which name stands behind them
_DROPS = {
    "create_domain_stmt": "DOMAIN",
    "create_stats_stmt": "STATISTICS",
    "create_foreign_table_stmt": "FOREIGN TABLE",
    "create_publication_stmt": "PUBLICATION",
    "create_event_trig_stmt": "EVENT TRIGGER",
    "create_foreign_server_stmt": "SERVER",
    "create_fdw_stmt": "FOREIGN DATA WRAPPER",
}


def drop_of(statement: Statement) -> str:
    """Return the DROP of what a statement makes; empty where it makes nothing that can be named."""
    import postgast

    node = statement.node
    if statement.kind in _DROPS:
        return f"DROP {_DROPS[statement.kind]} {_quoted(named(statement)[0])};"
    if statement.kind == "create_policy_stmt":
        return f"DROP POLICY {identifier(node.policy_name)} ON {_quoted(relation(node.table))};"
    if statement.kind == "rule_stmt":
        return f"DROP RULE {identifier(node.rulename)} ON {_quoted(relation(node.relation))};"
    if statement.kind == "define_stmt" and node.kind == postgast.pg_query_pb2.OBJECT_COLLATION:
        return f"DROP COLLATION {_quoted(named(statement)[0])};"
    if statement.kind == "index_stmt" and not node.idxname:
        return ""
    try:
        text = str(postgast.to_drop(statement.text))
    except (ValueError, postgast.PgQueryError):
        return ""
    if statement.kind == "index_stmt" and node.concurrent:
        text = text.replace("DROP INDEX", "DROP INDEX CONCURRENTLY", 1)
    return f"{text};"


def _quoted(name: str) -> str:
    return ".".join(identifier(part) for part in name.split("."))


def _rename_undone(statement: Statement) -> str:
    """Swap the two names."""
    import postgast
    from postgast import pg_query_pb2 as kinds

    tree = postgast.parse(statement.text)
    node = tree.stmts[0].stmt.rename_stmt
    if node.subname:
        node.subname, node.newname = node.newname, node.subname
    elif node.rename_type in {kinds.OBJECT_TABLE, kinds.OBJECT_INDEX, kinds.OBJECT_VIEW, kinds.OBJECT_MATVIEW, kinds.OBJECT_SEQUENCE}:
        node.relation.relname, node.newname = node.newname, node.relation.relname
    elif node.rename_type in {kinds.OBJECT_TYPE, kinds.OBJECT_DOMAIN}:
        last = node.object.list.items[-1].string
        last.sval, node.newname = node.newname, last.sval
    elif node.rename_type in {kinds.OBJECT_FUNCTION, kinds.OBJECT_PROCEDURE}:
        last = node.object.object_with_args.objname[-1].string
        last.sval, node.newname = node.newname, last.sval
    else:
        return _todo(statement, "rename it back")
    return f"{postgast.deparse(tree)};"


def _flipped_grant(statement: Statement) -> str:
    import postgast
    from postgast import pg_query_pb2 as kinds

    tree = postgast.parse(statement.text)
    node = getattr(tree.stmts[0].stmt, statement.kind)
    if statement.kind == "alter_default_privileges_stmt":
        node = node.action
    elif statement.kind == "grant_stmt" and node.targtype == kinds.ACL_TARGET_ALL_IN_SCHEMA:
        return _todo(statement, "which of them had it before is not in the text")
    node.is_grant = not node.is_grant
    if statement.kind == "grant_stmt" and not node.is_grant:
        node.grant_option = False  # REVOKE GRANT OPTION FOR would leave the privilege
    return f"{postgast.deparse(tree)};"


def _enum_undone(statement: Statement) -> str:
    import postgast

    tree = postgast.parse(statement.text)
    node = tree.stmts[0].stmt.alter_enum_stmt
    if not node.old_val:
        return _todo(statement, "a label can't be taken out of an enum: make the type anew, or let it stay")
    node.old_val, node.new_val = node.new_val, node.old_val
    return f"{postgast.deparse(tree)};"


def _moved_back(statement: Statement) -> str:
    import postgast

    tree = postgast.parse(statement.text)
    node = tree.stmts[0].stmt.alter_object_schema_stmt
    if not node.relation.schemaname:
        return _todo(statement, "move it back to the schema where it was")
    node.relation.schemaname, node.newschema = node.newschema, node.relation.schemaname
    return f"{postgast.deparse(tree)};"


def _without_comment(statement: Statement) -> str:
    import postgast

    tree = postgast.parse(statement.text)
    tree.stmts[0].stmt.comment_stmt.comment = ""
    return f"{postgast.deparse(tree)};"


def _todo(statement: Statement, why: str) -> str:
    return f"{TODO}{' '.join(statement.text.split())[:100]}: {why}"


# what is undone in the same way whether the script made the object or found it
_ALONE: dict[str, Callable[[Statement], str]] = {
    "rename_stmt": _rename_undone,
    "alter_enum_stmt": _enum_undone,
    "alter_object_schema_stmt": _moved_back,
    "drop_stmt": lambda statement: _todo(statement, "write the definition that was dropped; the rows are lost"),
}
