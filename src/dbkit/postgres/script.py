"""Sending a script whole, and knowing which of its statements failed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dbkit.errors import DbkitError
from dbkit.postgres.connect import server_error
from dbkit.source import statements
from dbkit.source.blocks import Block, blocks
from dbkit.source.lexer import may_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    import psycopg
    from psycopg.pq.abc import PGconn, PGresult
    from psycopg.waiting import Ready, Wait

    from dbkit.source.script import Script


SYNTAX = "42601"  # found before the first statement of a message runs


class ScriptError(Exception):
    """A statement of a script failed.

    `cause` is psycopg's error, `done` how many statements had finished, `before` of them ahead of `block`, in which it is; `line` is
    the script's line that the server points at, if it does.
    """

    def __init__(self, cause: psycopg.Error, block: Block, done: int, before: int) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.block = block
        self.done = max(done, 0)
        self.before = before
        self.line: int | None = None
        if position := cause.diag.statement_position:
            self.line = block.line + block.text.count("\n", 0, int(position) - 1)
        elif block.kind == "data" and (place := re.search(r"COPY [^,]+, line (\d+)", cause.diag.context or "")):
            self.line = block.line - 1 + int(place[1])


class CommittedError(DbkitError):
    """A script ended the transaction that it was in by itself."""


def explain(
    exc: ScriptError, text: str | None, source: Script | None, *, doing: str, hint: Callable[[str | None], str | None] = lambda _state: None
) -> DbkitError:
    """Describe a failed statement: the template's line, the lines around it, SQLSTATE, what to do.

    Only errors of the parser come with a position; for all others the count of results tells the statement. `text` is None where
    the script is too large to be counted.
    """
    if text is None:
        line = exc.line or _line_in_block(exc)
        place = "" if exc.cause.sqlstate == SYNTAX else f" in statement {exc.done + 1}"
        shown = statements.excerpt(exc.block.text, line, begins=exc.block.line)
    else:
        parsed = statements.parse_known(text)
        line = exc.line or parsed[min(exc.done, len(parsed) - 1)].line
        place = f" in statement {exc.done + 1} of {len(parsed)}" if len(parsed) > 1 else ""
        shown = statements.excerpt(text, line)
    return server_error(exc.cause, doing=f"{doing}{place}", where=str(source.origin(line)) if source else None, excerpt=shown, hint=hint)


def _line_in_block(exc: ScriptError) -> int:
    """Return the line of the statement that failed, found in its block alone."""
    if exc.block.kind == "data":
        return exc.block.line
    parsed = statements.parse_known(statements.closed(exc.block))
    return exc.block.line - 1 + parsed[min(exc.done - exc.before, len(parsed) - 1)].line


def send(connection: psycopg.Connection[tuple[Any, ...]], script: str) -> str | None:
    """Send a script as one message, or up to each COPY … FROM stdin and its data; return the first value of its last result.

    The simple protocol is used as it is, so `%`, `:name`, `?` and backslashes reach the
    server unchanged. Raises ScriptError.
    """
    results = send_blocks(connection, in_blocks(script))
    return value(results[-1]) if results else None


def in_blocks(script: str) -> Iterable[Block]:
    """Cut a script at the data of its COPYs, where it may have any."""
    return blocks([script]) if may_copy(script) else [Block("sql", script, 1)]


def value(result: PGresult) -> str | None:
    """Return the first value of a result."""
    found = result.get_value(0, 0) if result.ntuples else None
    return found.decode() if found is not None else None


def send_blocks(connection: psycopg.Connection[tuple[Any, ...]], script: Iterable[Block], done: int = 0) -> list[PGresult]:
    """Send a script block by block; return the last results. The next block is asked for while the server works. Raises ScriptError."""
    from psycopg import generators

    results: list[PGresult] = []
    following = iter(script)
    block = next(following, None)
    copied = 0
    while block is not None:
        if block.kind == "data":
            upcoming = next(following, None)
            copied += _put(connection, block, done, copied)
            done, copied = (done + 1, 0) if block.last else (done, copied)
        else:
            connection.pgconn.send_query(block.text.encode())
            connection.wait(_flushed(connection.pgconn))
            upcoming = next(following, None)
            results = _answered(block, connection.wait(generators.execute(connection.pgconn)), done)
            done += len(results) - block.copies
        block = upcoming
    return results


def _flushed(pgconn: PGconn) -> Generator[Wait, Ready | int, None]:
    from psycopg.waiting import Ready, Wait

    while pgconn.flush():
        if (yield Wait.RW) & Ready.R:
            pgconn.consume_input()


def _answered(block: Block, results: list[PGresult], done: int) -> list[PGresult]:
    """Return the results of a block's statements; `done` statements came before them."""
    from psycopg import errors
    from psycopg.pq import ExecStatus

    if results[-1].status in {ExecStatus.COPY_OUT, ExecStatus.COPY_BOTH} or (results[-1].status == ExecStatus.COPY_IN and not block.copies):
        raise DbkitError(
            "COPY … TO stdout, or FROM stdin in an unusual form, can't be sent with a script", hint="write: COPY … FROM stdin;"
        )
    committed = [n for n, result in enumerate(results, done + 1) if result.command_status in {b"COMMIT", b"PREPARE TRANSACTION"}]
    if committed:
        left = "what it did is committed, and not marked"
        if results[-1].status == ExecStatus.FATAL_ERROR:
            left = f"what it did up to there is committed, and not marked; statement {done + len(results)} failed"
        raise CommittedError(f"statement {committed[-1]} ended dbkit's transaction: {left}")
    for number, result in enumerate(results):
        if result.status == ExecStatus.FATAL_ERROR:
            raise ScriptError(errors.error_from_result(result), block, done + number, done)
    return [result for result in results if result.status != ExecStatus.EMPTY_QUERY]


def _put(connection: psycopg.Connection[tuple[Any, ...]], data: Block, done: int, copied: int) -> int:
    """Send lines of a COPY's data, `copied` lines after its first, and end it behind the last; return their number."""
    import psycopg
    from psycopg import generators

    try:
        connection.wait(generators.copy_to(connection.pgconn, data.text.encode()))
        if data.last:
            connection.wait(generators.copy_end(connection.pgconn, None))
    except psycopg.Error as exc:
        failed = ScriptError(exc, data, done, done)
        failed.line = failed.line and failed.line - copied
        raise failed from exc
    return data.text.count("\n")
