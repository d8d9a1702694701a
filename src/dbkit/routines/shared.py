"""What several services, or several schemas of one, have in one database: ops, audit. Whoever goes leaves it to the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from dbkit.postgres import journal
from dbkit.postgres.queries import sql

if TYPE_CHECKING:
    import psycopg


def shared(connection: psycopg.Connection[tuple[Any, ...]], service: str) -> dict[str, str]:
    """Return the service's routines that others have deployed too, and one of the others' names for each."""
    if journal.version(connection) < journal.DEFINITIONS:
        return {}
    return dict(connection.execute(sql("shared_routines").encode(), {"service": service}).fetchall())


def leave(connection: psycopg.Connection[tuple[Any, ...]], routines: Collection[str], others: Mapping[str, str]) -> None:
    """Make what these routines made the others', as a role that may write the journal."""
    for name in others.keys() & set(routines):
        connection.execute(
            "UPDATE dbkit.definition SET service = split_part(%(other)s, '/', 1), routine = %(other)s WHERE routine = %(name)s",
            {"name": name, "other": others[name]},
        )
