"""What became of a statement whose end nobody saw: the catalog is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbkit.errors import DbkitError
from dbkit.postgres.connect import server_error
from dbkit.postgres.queries import sql
from dbkit.source.statements import Statement
from dbkit.source.templates import identifier

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether the statement has done its work, and what was found or cleaned away."""

    is_done: bool
    note: str


def settle(connection: Connection, statement: Statement, of: str) -> Outcome:
    """Find out whether the statement, sent once already, has finished; take away what it left half done.

    Raises DbkitError with the question to answer, and both ways on, where the catalog can't tell.
    """
    import psycopg

    try:
        return _settle(connection, statement, of)
    except psycopg.Error as exc:
        raise server_error(exc, doing=f"{of}: what became of its statement could not be found out") from exc


def _settle(connection: Connection, statement: Statement, of: str) -> Outcome:
    node = statement.node
    match statement.kind:
        case "index_stmt":
            return _settle_index(connection, statement)
        case "drop_stmt":
            name = ".".join(identifier(part.string.sval) for part in node.objects[0].list.items)
            there = _value(connection, "SELECT to_regclass(%s) IS NOT NULL", name)
            return Outcome(not there, f"{name} is {'still there: it is dropped again' if there else 'gone'}")
        case "reindex_stmt":
            return _settle_reindex(connection, node)
        case "alter_table_stmt":
            return _settle_detach(connection, node)
        case "vacuum_stmt" | "alter_system_stmt" | "cluster_stmt":
            return Outcome(is_done=False, note="it can be run again")
        case kind if kind in _NAMED:
            query, attribute, wanted = _NAMED[kind]
            there = bool(_value(connection, query, getattr(node, attribute)))
            return Outcome(there is wanted, "it is there" if there else "it is not there")
        case _:
            raise _question(statement, of)


# where a statement makes or ends an object of the cluster: how to look for it, which field names it, what "done" is
_NAMED: dict[str, tuple[str, str, bool]] = {
    "createdb_stmt": ("SELECT count(*) FROM pg_database WHERE datname = %s", "dbname", True),
    "dropdb_stmt": ("SELECT count(*) FROM pg_database WHERE datname = %s", "dbname", False),
    "create_table_space_stmt": ("SELECT count(*) FROM pg_tablespace WHERE spcname = %s", "tablespacename", True),
    "drop_table_space_stmt": ("SELECT count(*) FROM pg_tablespace WHERE spcname = %s", "tablespacename", False),
    "create_subscription_stmt": ("SELECT count(*) FROM pg_subscription WHERE subname = %s", "subname", True),
    "drop_subscription_stmt": ("SELECT count(*) FROM pg_subscription WHERE subname = %s", "subname", False),
}


def _question(statement: Statement, of: str) -> DbkitError:
    first = " ".join(statement.text.split())[:100]
    service = of.partition("/")[0]
    return DbkitError(
        f"{of}: a run ended while `{first}` was under way, and nothing in the catalog says whether it finished",
        hint=(
            "look at what it does: did it finish?\n"
            f"if so:   dbkit repair {service} {of.partition('/')[2]} --statement done --reason '…'\n"
            f"if not:  dbkit repair {service} {of.partition('/')[2]} --statement again --reason '…'"
        ),
    )


def _settle_index(connection: Connection, statement: Statement) -> Outcome:
    """A valid index of that definition is done; an invalid one is dropped. Raises DbkitError for whatever else has the name."""
    node = statement.node
    table = _qualified(node.relation)
    found = connection.execute(sql("index_of_name").encode(), {"table": table, "name": node.idxname}).fetchone()
    if found is None:
        return Outcome(is_done=False, note="the index is not there")
    identity, is_of_table, is_valid, definition = found
    if not is_of_table:
        raise DbkitError(
            f"the name {identity} is taken, by what is no index of {table}", hint="name yours otherwise, then run `dbkit migrate` again"
        )
    if not is_valid:
        connection.execute(f"DROP INDEX CONCURRENTLY {identity}".encode())
        return Outcome(is_done=False, note=f"the invalid index {identity} was dropped")
    wanted = _definition_of(connection, statement, table)
    if _from_using(definition) != _from_using(wanted):
        raise DbkitError(
            f"an index {identity} is there with another definition\n  there:  {definition}\n  wanted: {wanted}",
            hint=f"drop it (DROP INDEX CONCURRENTLY {identity}) or name yours otherwise, then run `dbkit migrate` again",
        )
    return Outcome(is_done=True, note=f"the index {identity} is there, valid and as it should be")


def _definition_of(connection: Connection, statement: Statement, table: str) -> str:
    """Return how the server writes the index down, from the same index on an empty temporary copy of the table."""
    import postgast

    tree = postgast.parse(statement.text)
    node = tree.stmts[0].stmt.index_stmt
    node.concurrent = node.if_not_exists = False
    node.relation.schemaname = "pg_temp"
    copy = identifier(node.relation.relname)  # the definition may call it by its name
    with connection.transaction(force_rollback=True):
        connection.execute(f"CREATE TEMPORARY TABLE {copy} (LIKE {table})".encode())
        connection.execute(postgast.deparse(tree).encode())
        return str(_value(connection, "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %s::regclass", f"pg_temp.{copy}"))


def _from_using(definition: str) -> tuple[bool, str]:
    return definition.startswith("CREATE UNIQUE"), definition.partition(" USING ")[2]


def _settle_reindex(connection: Connection, node: Any) -> Outcome:
    name = node.name or _qualified(node.relation)
    left = connection.execute(sql("reindex_leftovers").encode(), {"name": name, "schema": node.name or None}).fetchall()
    for (identity,) in left:
        connection.execute(f"DROP INDEX CONCURRENTLY {identity}".encode())
    cleaned = f"{', '.join(row[0] for row in left)} dropped; " if left else ""
    return Outcome(is_done=False, note=f"{cleaned}it is run again")


def _settle_detach(connection: Connection, node: Any) -> Outcome:
    parent = _qualified(node.relation)
    child = _qualified(getattr(node.cmds[0].alter_table_cmd, "def").partition_cmd.name)
    pending = connection.execute(
        "SELECT inhdetachpending FROM pg_inherits WHERE inhparent = to_regclass(%s) AND inhrelid = to_regclass(%s)", [parent, child]
    ).fetchone()
    if pending is None:
        return Outcome(is_done=True, note=f"{child} is detached")
    if not pending[0]:
        return Outcome(is_done=False, note=f"{child} is still attached")
    connection.execute(f"ALTER TABLE {parent} DETACH PARTITION {child} FINALIZE".encode())
    return Outcome(is_done=True, note=f"the half-done detach of {child} was finished")


def _qualified(relation: Any) -> str:
    return ".".join(identifier(part) for part in (relation.schemaname, relation.relname) if part)


def _value(connection: Connection, query: str, *parameters: object) -> Any:
    row = connection.execute(query.encode(), parameters or None).fetchone()
    return row[0] if row else None
