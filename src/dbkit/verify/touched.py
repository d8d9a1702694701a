"""Which objects a statement makes, changes, grants or comments on, as the catalog shows their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from dbkit.postgres.objects import Object
from dbkit.routines.order import created
from dbkit.source.lexer import ScriptSyntaxError
from dbkit.source.statements import Statement, parse

# kinds whose names stand in one field of the statement
LISTED = {
    "define_stmt": "defnames",
    "create_conversion_stmt": "conversion_name",
    "create_stats_stmt": "defnames",
    "create_range_stmt": "type_name",
    "create_op_class_stmt": "opclassname",
    "create_op_family_stmt": "opfamilyname",
    "alter_enum_stmt": "type_name",
    "alter_domain_stmt": "type_name",
}
BARE = {
    "create_extension_stmt": "extname",
    "create_event_trig_stmt": "trigname",
    "alter_event_trig_stmt": "trigname",
    "create_publication_stmt": "pubname",
    "alter_publication_stmt": "pubname",
    "create_foreign_server_stmt": "servername",
}
ON_A_TABLE = {
    "create_trig_stmt": ("relation", "trigname"),
    "create_policy_stmt": ("table", "policy_name"),
    "alter_policy_stmt": ("table", "policy_name"),
    "rule_stmt": ("relation", "rulename"),
    "index_stmt": ("relation", "idxname"),
}


def last_to_touch(thing: Object, schema: str, scripts: Iterable[tuple[str, str]]) -> str:
    """Return the last script (id, text) with a statement about the object, else about its table, else one that mentions its name."""
    whole = shown_name(thing)
    table = whole.rpartition(".")[0] if thing.relation else whole
    best = {"itself": "", "table": "", "text": ""}
    name = re.compile(rf"(?<![\w$]){re.escape(whole.rpartition('.')[2])}(?![\w$])")
    for script, text in scripts:
        if not name.search(text) and not re.search(rf"(?<![\w$]){re.escape(table.rpartition('.')[2])}(?![\w$])", text):
            continue
        names = touched_by(text, schema)
        if whole in names:
            best["itself"] = script
        elif table in names:
            best["table"] = script
        elif name.search(text):
            best["text"] = script
    return next(filter(None, best.values()), "")


def touched_by(text: str, schema: str) -> set[str]:
    """Return what the statements of a script touch; nothing where it does not parse."""
    try:
        return {name for statement in parse(text) for name in touched(statement, schema)}
    except ScriptSyntaxError:
        return set()


def shown_name(thing: Object) -> str:
    """Return the name under which statements know the object: without arguments."""
    return thing.shown.partition("(")[0].partition(" USING ")[0].replace('"', "")


def touched(statement: Statement, schema: str) -> Iterator[str]:
    """Yield the names; what has no schema is taken for the service's."""
    node, kind = statement.node, statement.kind
    if kind in LISTED:
        yield _qualified(_words(getattr(node, LISTED[kind])), schema)
    elif kind in BARE:
        yield getattr(node, BARE[kind])
    elif kind in ON_A_TABLE:
        table, name = ON_A_TABLE[kind]
        yield f"{_relation(getattr(node, table), schema)}.{getattr(node, name)}"
    elif kind in {"create_stmt", "create_foreign_table_stmt"}:
        yield from _table(node if kind == "create_stmt" else node.base_stmt, schema)
    elif kind == "alter_table_stmt":
        yield from _altered(node, schema)
    elif kind == "alter_seq_stmt":
        yield _relation(node.sequence, schema)
    elif kind == "rename_stmt":
        yield from _renamed(node, schema)
    elif kind in {"grant_stmt", "comment_stmt", "alter_owner_stmt", "alter_function_stmt"}:
        yield from _named(statement, schema)
    else:
        for name in created(statement):
            yield name.removeprefix("schema ") if "." in name or name.startswith("schema ") else f"{schema}.{name}"


def _table(node: Any, schema: str) -> Iterator[str]:
    table = _relation(node.relation, schema)
    yield table
    for element in node.table_elts:
        if element.HasField("column_def"):
            yield f"{table}.{element.column_def.colname}"
            for constraint in element.column_def.constraints:
                if constraint.constraint.conname:
                    yield f"{table}.{constraint.constraint.conname}"
        elif element.HasField("constraint") and element.constraint.conname:
            yield f"{table}.{element.constraint.conname}"


def _altered(node: Any, schema: str) -> Iterator[str]:
    table = _relation(node.relation, schema)
    for command in node.cmds:
        definition = getattr(command.alter_table_cmd, "def")
        names = [command.alter_table_cmd.name, definition.column_def.colname, definition.constraint.conname]
        named = [name for name in names if name]
        yield f"{table}.{named[0]}" if named else table


def _renamed(node: Any, schema: str) -> Iterator[str]:
    import postgast

    if node.HasField("relation"):
        table = _relation(node.relation, schema)
        whole = node.rename_type in {getattr(postgast.pg_query_pb2, f"OBJECT_{kind}") for kind in ("TABLE", "VIEW", "MATVIEW", "SEQUENCE")}
        yield f"{table.rpartition('.')[0]}.{node.newname}" if whole else f"{table}.{node.newname}"
    else:
        words = _words([node.object])
        yield _qualified([*words[:-1], node.newname], schema)


def _named(statement: Statement, schema: str) -> Iterator[str]:
    import postgast

    node = statement.node
    if statement.kind == "alter_function_stmt":
        yield _qualified(_words(node.func.objname), schema)
        return
    if statement.kind == "alter_owner_stmt" and node.HasField("relation"):
        yield _relation(node.relation, schema)
        return
    for item in node.objects if statement.kind == "grant_stmt" else [node.object]:
        if item.HasField("range_var"):
            table = _relation(item.range_var, schema)
            columns = [column.string.sval for privilege in node.privileges for column in privilege.access_priv.cols]
            yield from (f"{table}.{column}" for column in columns)
            yield from () if columns else (table,)
        else:
            words = _words([item])
            bare = len(words) == 1 and item.HasField("string")
            named_type = getattr(node, "objtype", None) == postgast.pg_query_pb2.OBJECT_TYPE
            yield words[0] if bare and not named_type else _qualified(words, schema)


def _words(nodes: Iterable[Any]) -> list[str]:
    found: list[str] = []
    for node in nodes:
        match node.WhichOneof("node"):
            case "string":
                found.append(node.string.sval)
            case "list":
                found += _words(node.list.items)
            case "type_name":
                found += _words(node.type_name.names)
            case "object_with_args":
                found += _words(node.object_with_args.objname)
            case _:
                pass
    return found


def _qualified(words: list[str], schema: str) -> str:
    return ".".join(words if len(words) > 1 else [schema, *words])


def _relation(node: Any, schema: str) -> str:
    return f"{node.schemaname or schema}.{node.relname}"
