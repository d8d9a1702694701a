"""Sending a script whole, and knowing which of its statements failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbkit.errors import DbkitError

if TYPE_CHECKING:
    import psycopg


class ScriptError(Exception):
    """A statement of a script failed.

    `cause` is psycopg's error, `done` how many statements had finished, `position` the
    character of the script (from 1) that the server points at, if it does.
    """

    def __init__(self, cause: psycopg.Error, done: int) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.done = done
        position = cause.diag.statement_position
        self.position = int(position) if position else None


def send(connection: psycopg.Connection[tuple[Any, ...]], script: str) -> int:
    """Send a script as one message and return how many statements it had.

    The simple protocol is used as it is, so `%`, `:name`, `?` and backslashes reach the
    server unchanged. Raises ScriptError.
    """
    from psycopg import errors, generators
    from psycopg.pq import ExecStatus

    connection.pgconn.send_query(script.encode())
    results = connection.wait(generators.execute(connection.pgconn))
    for done, result in enumerate(results):
        if result.status == ExecStatus.FATAL_ERROR:
            raise ScriptError(errors.error_from_result(result), done)
        if result.status in {ExecStatus.COPY_IN, ExecStatus.COPY_OUT, ExecStatus.COPY_BOTH}:
            raise DbkitError("COPY … FROM stdin or TO stdout can't be sent with a script", hint="write the rows as INSERT … VALUES")
    return len(results)


# What a script may have left behind is undone before the mark is written, in the same transaction.
RESTORE = "SET CONSTRAINTS ALL IMMEDIATE; RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; SET LOCAL ROLE NONE"
