"""Deployed objects that stand in the way of a migration or a rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbkit.postgres.queries import sql
from dbkit.routines.order import created
from dbkit.source.statements import Statement, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import psycopg


def clear_the_way(
    connection: psycopg.Connection[tuple[Any, ...]], statements: Iterable[Statement], deployed: Mapping[str, str]
) -> list[str]:
    """Drop the routines that depend on the relations which the statements drop or reshape.

    Works in the caller's transaction, as the owner; the deploy that follows makes them again.
    `deployed` has the texts of the after-phase routines by id. Returns the ids of those dropped.
    """
    ended, reshaped = set[str](), set[str]()
    for statement in statements:
        ended.update(dropped_relations(statement))
        reshaped.update(reshaped_relations(statement))
    if not ended and not reshaped:
        return []
    owners = _owners(deployed)
    dropped: list[str] = []
    for kind, identity, name in connection.execute(
        sql("dependents").encode(), {"ended": sorted(ended), "reshaped": sorted(reshaped)}
    ).fetchall():
        routine = owners.get(name)
        if routine is None:
            continue  # not ours: the server's own error names it
        connection.execute(f"DROP {kind} IF EXISTS {identity}".encode())
        if routine not in dropped:
            dropped.append(routine)
    return dropped


def _owners(deployed: Mapping[str, str]) -> dict[str, str]:
    """Map the name of each object to the routine whose text makes it."""
    return {
        name: routine
        for routine, text in deployed.items()
        for statement in parse(text)
        for name in [*created(statement), *_trigger(statement)]
    }


def _trigger(statement: Statement) -> list[str]:
    if statement.kind != "create_trig_stmt":
        return []
    node = statement.node
    return [f"{node.relation.schemaname}.{node.relation.relname}.{node.trigname}"]


def takes_away(statement: Statement) -> bool:
    """Say whether routines may stand in the way of a statement."""
    return bool(dropped_relations(statement) or reshaped_relations(statement))


def reshaped_relations(statement: Statement) -> list[str]:
    """Return the tables that lose a column or change a column's type."""
    import postgast

    if statement.kind != "alter_table_stmt":
        return []
    kinds = {postgast.pg_query_pb2.AT_DropColumn, postgast.pg_query_pb2.AT_AlterColumnType}
    node = statement.node
    if not any(command.alter_table_cmd.subtype in kinds for command in node.cmds):
        return []
    return [_qualified(node.relation.schemaname, node.relation.relname)]


def dropped_relations(statement: Statement) -> list[str]:
    """Return the tables, views and types that a statement ends."""
    import postgast

    kinds = postgast.pg_query_pb2
    if statement.kind != "drop_stmt":
        return []
    if statement.node.remove_type not in {kinds.OBJECT_TABLE, kinds.OBJECT_VIEW, kinds.OBJECT_MATVIEW, kinds.OBJECT_TYPE}:
        return []
    return [_last_two(item) for item in statement.node.objects]


def _qualified(schema: str, name: str) -> str:
    return f"{schema}.{name}" if schema else name


def _last_two(item: Any) -> str:
    names = item.list.items if item.HasField("list") else item.type_name.names
    return ".".join(part.string.sval for part in names)


def undeploy(connection: psycopg.Connection[tuple[Any, ...]], text: str) -> None:
    """Drop what a routine's text makes; what it does besides (grants, rows) has no opposite."""
    import postgast

    connection.execute("SET LOCAL client_min_messages = warning")  # what a DROP TABLE took along is no news
    for statement in reversed(parse(text)):
        if statement.kind in {"create_function_stmt", "view_stmt", "create_table_as_stmt", "create_trig_stmt"}:
            connection.execute(postgast.ensure_if_exists(postgast.to_drop(statement.text)).encode())
