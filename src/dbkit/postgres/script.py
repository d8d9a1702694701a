"""Sending a script whole, and knowing which of its statements failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbkit.errors import DbkitError
from dbkit.postgres.connect import server_error
from dbkit.source import statements

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from dbkit.source.files import Script


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


def explain(
    exc: ScriptError, text: str, source: Script | None, *, doing: str, hint: Callable[[str | None], str | None] = lambda _state: None
) -> DbkitError:
    """Describe a failed statement: the template's line, the lines around it, SQLSTATE, what to do.

    Only errors of the parser come with a position; for all others the count of results tells the statement.
    """
    parsed = statements.parse(text)
    line = parsed[min(exc.done, len(parsed) - 1)].line
    if exc.position:
        line = text.count("\n", 0, exc.position - 1) + 1
    place = f" in statement {exc.done + 1} of {len(parsed)}" if len(parsed) > 1 else ""
    return server_error(
        exc.cause,
        doing=f"{doing}{place}",
        where=str(source.origin(line)) if source else None,
        excerpt=statements.excerpt(text, line),
        hint=hint,
    )


def send(connection: psycopg.Connection[tuple[Any, ...]], script: str) -> str | None:
    """Send a script as one message; return the first value of its last statement's result, if that has any.

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
    value = results[-1].get_value(0, 0) if results and results[-1].ntuples else None
    return value.decode() if value is not None else None
