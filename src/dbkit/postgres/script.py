"""Sending a script whole, and knowing which of its statements failed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dbkit.errors import DbkitError
from dbkit.postgres.connect import server_error
from dbkit.source import lexer, statements

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg
    from psycopg.pq.abc import PGresult

    from dbkit.source.files import Script


COPY_CHUNK = 1 << 18  # characters


class ScriptError(Exception):
    """A statement of a script failed.

    `cause` is psycopg's error, `done` how many statements had finished, `position` the
    character of the script (from 1) that the server points at, if it does, `line` the line of a COPY's data.
    """

    def __init__(self, cause: psycopg.Error, done: int, start: int = 0) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.done = max(done, 0)
        position = cause.diag.statement_position
        self.position = start + int(position) if position else None
        self.line: int | None = None


def explain(
    exc: ScriptError, text: str, source: Script | None, *, doing: str, hint: Callable[[str | None], str | None] = lambda _state: None
) -> DbkitError:
    """Describe a failed statement: the template's line, the lines around it, SQLSTATE, what to do.

    Only errors of the parser come with a position; for all others the count of results tells the statement.
    """
    parsed = statements.parse(text)
    line = exc.line or parsed[min(exc.done, len(parsed) - 1)].line
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


def send(connection: psycopg.Connection[tuple[Any, ...]], script: str, meanwhile: Callable[[], object] = lambda: None) -> str | None:
    """Send a script as one message, or up to each COPY … FROM stdin and its data; return the first value of its last result.

    The simple protocol is used as it is, so `%`, `:name`, `?` and backslashes reach the
    server unchanged. `meanwhile` is done once, where it can while the server works. Raises ScriptError.
    """
    if not lexer.may_copy(script):
        return _value(_message(connection, script, 0, 0, meanwhile))
    meanwhile()
    done = start = 0
    waiting: list[str] = []
    results: list[PGresult] = []
    for piece in lexer.pieces(script):
        if piece.kind == "sql":
            start = start if waiting else piece.start
            waiting.append(piece.text)
            continue
        done += len(_message(connection, "".join(waiting), done, start, copies=True)) - 1  # the last is the COPY's own
        waiting.clear()
        _copy(connection, piece, done, script)
        done += 1
    if waiting:
        results = _message(connection, "".join(waiting), done, start)
    return _value(results)


def send_all(
    connection: psycopg.Connection[tuple[Any, ...]], opening: str, script: str, meanwhile: Callable[[], object]
) -> tuple[str | None, str | None]:
    """Send what opens a transaction and the script in it; return the opening's last value and the script's.

    They are one message, but for a script with the data of a COPY. Raises ScriptError, whose places are in the script.
    """
    if lexer.may_copy(script):
        return send(connection, opening), send(connection, script, meanwhile)
    before = opening.count(";")
    results = _message(connection, opening + script, -before, -len(opening), meanwhile)
    return _value(results[:before]), _value(results)


def _message(
    connection: psycopg.Connection[tuple[Any, ...]],
    text: str,
    done: int,
    start: int,
    meanwhile: Callable[[], object] = lambda: None,
    *,
    copies: bool = False,
) -> list[PGresult]:
    """Send statements at once and return their results; `done` came before them, and `start` is where they stand in the script."""
    from psycopg import errors, generators
    from psycopg.pq import ExecStatus

    connection.pgconn.send_query(text.encode())
    connection.wait(generators.send(connection.pgconn))
    meanwhile()
    results: list[PGresult] = connection.wait(generators.fetch_many(connection.pgconn))
    if results[-1].status in {ExecStatus.COPY_OUT, ExecStatus.COPY_BOTH} or (results[-1].status == ExecStatus.COPY_IN and not copies):
        raise DbkitError(
            "COPY … TO stdout, or FROM stdin in an unusual form, can't be sent with a script", hint="write: COPY … FROM stdin;"
        )
    for number, result in enumerate(results):
        if result.status == ExecStatus.FATAL_ERROR:
            raise ScriptError(errors.error_from_result(result), done + number, start)
    return results


def _copy(connection: psycopg.Connection[tuple[Any, ...]], data: lexer.Piece, done: int, script: str) -> None:
    import psycopg
    from psycopg import generators

    try:
        for chunk in range(0, len(data.text), COPY_CHUNK):
            connection.wait(generators.copy_to(connection.pgconn, data.text[chunk : chunk + COPY_CHUNK].encode()))
        connection.wait(generators.copy_end(connection.pgconn, None))
    except psycopg.Error as exc:
        failed = ScriptError(exc, done)
        if place := re.search(r"COPY [^,]+, line (\d+)", exc.diag.context or ""):
            failed.line = script.count("\n", 0, data.start) + int(place[1])
        raise failed from exc


def _value(results: list[PGresult]) -> str | None:
    value = results[-1].get_value(0, 0) if results and results[-1].ntuples else None
    return value.decode() if value is not None else None
