"""Deployed objects that stand in the way of a migration or a rollback."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbkit.postgres.queries import sql
from dbkit.routines.conflict import LOST, conflict
from dbkit.routines.definitions import touched
from dbkit.routines.replace import known
from dbkit.source.statements import Statement

if TYPE_CHECKING:
    import psycopg

    from dbkit.project.target import Target
    from dbkit.routines.made import Key
    from dbkit.source.repeatables import Routine

    Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Obstacles:
    """What a run may drop where it stands in the way: `after` are the routines of the after phase that can be made again.

    A name without a schema is looked for in the schema of the `target` and on the session's search_path. `files` are the routines'
    files, for a conflict's three sides; `overwrite` is what a person said of changes by hand.
    """

    watcher: Connection
    target: Target
    after: Collection[str]
    files: Sequence[Routine] = ()
    overwrite: bool = False

    def clear(self, connection: Connection, statements: Iterable[Statement], what: str) -> list[str]:
        """Drop what depends on what the statements of `what` drop or reshape; return whose it was.

        Works in the caller's transaction, as the owner; the deploy that follows makes it again with its privileges.
        Raises DbkitError where something of it was changed by hand, or adopted as it was: it would be lost.
        """
        found = self._found(connection, statements)
        if not self.overwrite:
            self._refuse_changed([key for key, _, _ in found], what)
        for _, thing, _ in found:
            connection.execute(f"DROP {thing}".encode())
        return list(dict.fromkeys(routine for _, _, routine in found))

    def named(self, statements: Iterable[Statement]) -> list[str]:
        """Return what `clear` would drop, as in DROP."""
        return [thing for _, thing, _ in self._found(self.watcher, statements)]

    def _found(self, connection: Connection, statements: Iterable[Statement]) -> list[tuple[Key, str, str]]:
        """Return what is in the way and is ours (else the server's own error names it): key, how DROP names it, whose it is."""
        ended, reshaped, functions = set[str](), set[str](), set[str]()
        for statement in statements:
            ended.update(dropped_relations(statement))
            reshaped.update(reshaped_relations(statement))
            functions.update(dropped_functions(statement))
        if not (ended or reshaped or functions):
            return []
        names = {"schema": self.target.schema, "ended": sorted(ended), "reshaped": sorted(reshaped), "functions": sorted(functions)}
        bound = connection.execute(sql("dependents").encode(), names).fetchall()
        if not bound:
            return []
        ours = {key: routine for key, routine in known(self.watcher, self.target.service).routines.items() if routine in self.after}
        return [((classid, objid), thing, ours[classid, objid]) for classid, objid, thing in bound if (classid, objid) in ours]

    def _refuse_changed(self, in_the_way: Collection[Key], what: str) -> None:
        seen = touched(self.watcher, self.target.service)
        lost = [item for item in (*seen.changed, *seen.adopted) if item.live and item.live.key in in_the_way]
        if lost:
            raise conflict(lost, self.files, doing=f"in the way of {what}, and ", hint=LOST)


def takes_away(statement: Statement) -> bool:
    """Say whether routines may stand in the way of a statement."""
    return bool(dropped_relations(statement) or reshaped_relations(statement) or dropped_functions(statement))


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
    """Return the tables, views, sequences and types that a statement ends."""
    import postgast

    kinds = postgast.pg_query_pb2
    if statement.kind != "drop_stmt":
        return []
    relations = {kinds.OBJECT_TABLE, kinds.OBJECT_VIEW, kinds.OBJECT_MATVIEW, kinds.OBJECT_SEQUENCE}
    if statement.node.remove_type not in relations | {kinds.OBJECT_TYPE, kinds.OBJECT_DOMAIN}:
        return []
    return [_last_two(item) for item in statement.node.objects]


def dropped_functions(statement: Statement) -> list[str]:
    """Return the functions and procedures that a statement ends, by name: which of the same name, only the server can say."""
    import postgast

    kinds = postgast.pg_query_pb2
    routines = {kinds.OBJECT_FUNCTION, kinds.OBJECT_PROCEDURE, kinds.OBJECT_ROUTINE}
    if statement.kind != "drop_stmt" or statement.node.remove_type not in routines:
        return []
    return [".".join(part.string.sval for part in item.object_with_args.objname) for item in statement.node.objects]


def _qualified(schema: str, name: str) -> str:
    return f"{schema}.{name}" if schema else name


def _last_two(item: Any) -> str:
    names = item.list.items if item.HasField("list") else item.type_name.names
    return ".".join(part.string.sval for part in names)
