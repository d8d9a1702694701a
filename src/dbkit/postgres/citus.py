"""Schemas that Citus spreads over machines: each whole on one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbkit.errors import DbkitError
from dbkit.postgres.queries import sql

if TYPE_CHECKING:
    import psycopg

    from dbkit.project.target import Target

    Connection = psycopg.Connection[tuple[Any, ...]]


def spread(connection: Connection) -> None:
    """Let Citus give the schema that this transaction makes to one of its nodes.

    Raises DbkitError where there is no Citus: a server takes the setting all the same.
    """
    if not _is_there(connection):
        raise DbkitError(
            'the manifest says scale = "citus", and the extension is not in this database',
            hint="put citus into shared_preload_libraries, restart, and as a superuser: CREATE EXTENSION citus",
        )
    connection.execute("SET LOCAL citus.enable_schema_based_sharding = on")


def node(connection: Connection, target: Target) -> str | None:
    """Return host and port of the node that has the target's schema; None where Citus has no part in it."""
    if target.scale != "citus" or not _is_there(connection):
        return None
    row = connection.execute(sql("citus_node").encode(), {"schema": f'"{target.schema}"'}).fetchone()
    return str(row[0]) if row else None


def _is_there(connection: Connection) -> bool:
    return connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'citus'").fetchone() is not None
