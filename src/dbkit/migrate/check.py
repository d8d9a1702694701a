"""What a migration may hold, found before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dbkit.errors import ConfigurationError
from dbkit.routines.obstacles import takes_away
from dbkit.source import objections, statements
from dbkit.source.backfill import chunks
from dbkit.source.blocks import BLOCK, Block
from dbkit.source.headers import MIGRATION_HEADERS, ROLLBACK_HEADERS, boolean, read_headers, refuse_misplaced
from dbkit.source.lexer import ScriptSyntaxError
from dbkit.source.plain import plain
from dbkit.source.script import LARGE

if TYPE_CHECKING:
    from dbkit.source.files import Migration
    from dbkit.source.script import Script


@dataclass(frozen=True, slots=True)
class Checked:
    """A script that may run: how many statements it has, and those that a run asks for.

    Of one in a transaction these are only the ones that routines may stand in the way of: parse trees are large.
    """

    statements: tuple[statements.Statement, ...]
    count: int


def check(migration: Migration, direction: Literal["up", "down"], schema: str, server: int = 0) -> Checked:
    """Parse one side of a migration and refuse what can't run; errors name the template's line.

    `server` is the server's major version: what it may know and the parser does not is left to it.
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
    in_pieces = transactional and (script.is_large or len(script.text) > BLOCK)
    kept: list[statements.Statement] = []
    count = 0
    for block in _blocks(script, in_pieces=in_pieces):
        if script.is_large:
            _refuse_header(script, block, MIGRATION_HEADERS if direction == "up" else ROLLBACK_HEADERS)
        if block.kind == "data" or (block.rows_only and script.is_large):
            count += block.rows_only
            continue
        if transactional and (number := plain(block.text, down=direction == "down")):
            count += number
            continue
        parsed = _parsed(script, block, server)
        for objection in objections.objections(parsed, schema=schema, transactional=transactional, allow=migration.allow):
            raise _refused(script, block, objection.line, objection.message, objection.hint)
        found = statements.at_line(parsed, block.line)
        kept += [statement for statement in found if takes_away(statement)] if transactional else found
        count += len(parsed)
    if not count:
        raise ConfigurationError("the file holds no statement", where=f"{script.path}:1", hint="delete it, or write what it is for")
    if direction == "up" and migration.backfill is not None:
        chunks(kept, migration.backfill, str(script.path))
    return Checked(tuple(kept), count)


def _refuse_header(script: Script, block: Block, known: tuple[str, ...]) -> None:
    """Refuse a header in the middle of a large script, whose head alone was looked at when it was loaded."""
    if "\n-- " in block.text:
        refuse_misplaced(block.text, script.head.count("\n"), known, str(script.path), begins=block.line)


def _blocks(script: Script, *, in_pieces: bool) -> Iterator[Block]:
    if not in_pieces:
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
