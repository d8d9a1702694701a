"""What a migration may hold, found before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from dbkit.errors import ConfigurationError
from dbkit.routines import takes_away
from dbkit.source import objections, statements
from dbkit.source.backfill import chunks
from dbkit.source.blocks import Block
from dbkit.source.headers import MIGRATION_HEADERS, ROLLBACK_HEADERS, boolean, read_headers, refuse_misplaced
from dbkit.source.lexer import ScriptSyntaxError
from dbkit.source.script import LARGE

if TYPE_CHECKING:
    from dbkit.source.files import Migration
    from dbkit.source.script import Script


def check(migration: Migration, direction: Literal["up", "down"], schema: str, server: int = 0) -> list[statements.Statement]:
    """Parse one side of a migration and refuse what can't run; errors name the template's line.

    `server` is the server's major version: what it may know and the parser does not is left to it. Of a large script only the
    statements are returned that routines may stand in the way of.
    """
    script = migration.script if direction == "up" else migration.rollback
    assert script is not None  # noqa: S101 callers ask for a side that is there
    transactional = migration.transactional and migration.backfill is None
    if direction == "down":
        transactional = is_transactional(script.head, str(script.path))
    if script.is_large and not transactional:
        raise ConfigurationError(
            f"a file above {LARGE >> 20} MB runs in one transaction only",
            where=f"{script.path}:1",
            hint="put what can't be in a transaction, and each backfill, into a file of its own",
        )
    kept: list[statements.Statement] = []
    holds_any = False
    headers = MIGRATION_HEADERS if direction == "up" else ROLLBACK_HEADERS
    head = script.head.count("\n")
    for block in _blocks(script):
        holds_any = True
        if script.is_large and "\n-- " in block.text:
            refuse_misplaced(block.text, head, headers, str(script.path), begins=block.line)
        if block.kind == "data" or block.rows_only:
            continue
        parsed = _parsed(script, block, server)
        for objection in objections.objections(parsed, schema=schema, transactional=transactional, allow=migration.allow):
            raise _refused(script, block, objection.line, objection.message, objection.hint)
        holds_any = bool(parsed) or script.is_large
        found = list(statements.at_line(parsed, block.line))
        kept += [statement for statement in found if takes_away(statement)] if script.is_large else found
    if not holds_any:
        raise ConfigurationError("the file holds no statement", where=f"{script.path}:1", hint="delete it, or write what it is for")
    if direction == "up" and migration.backfill is not None:
        chunks(kept, migration.backfill, str(script.path))
    return kept


def _blocks(script: Script) -> Iterator[Block]:
    """Yield a large script in blocks, any other as one."""
    if not script.is_large:
        yield Block("sql", statements.strip_restrict(script.text), 1)
        return
    try:
        yield from script.blocks()
    except ScriptSyntaxError as exc:
        raise ConfigurationError(exc.message, where=str(script.origin(exc.line)), hint=exc.hint) from exc


def _parsed(script: Script, block: Block, server: int) -> list[statements.Statement]:
    text = statements.closed(block)
    try:
        try:
            return statements.parse(text)
        except ScriptSyntaxError:
            if server <= statements.parser_major():
                raise
            return statements.parse_known(text)
    except ScriptSyntaxError as exc:
        raise _refused(script, block, exc.line, exc.message, exc.hint) from exc


def _refused(script: Script, block: Block, line: int, message: str, hint: str | None) -> ConfigurationError:
    """Describe what stands against line `line` of a block."""
    there = line + block.line - 1
    return ConfigurationError(
        message, where=str(script.origin(there)), hint=hint, excerpt=statements.excerpt(block.text, there, begins=block.line)
    )


def is_transactional(rollback: str, where: str) -> bool:
    """Say whether a rollback's text runs in one transaction: its own header decides. `where` is for errors."""
    return boolean(read_headers(rollback, ROLLBACK_HEADERS, where), "transactional", default=True, where=where)
