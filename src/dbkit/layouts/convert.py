"""A text of another tool becomes a file of ours: verbatim, but for what would not run here, and that is said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dbkit.errors import ConfigurationError
from dbkit.layouts.steps import Step, Text
from dbkit.routines.order import created
from dbkit.source import lexer, objections, statements
from dbkit.source.checksum import token_hash
from dbkit.source.headers import MIGRATION_HEADERS, ROLLBACK_HEADERS, ROUTINE_HEADERS, read_headers
from dbkit.source.lexer import ScriptSyntaxError
from dbkit.source.objections import dropped_schemas, needs_no_transaction, runs_bare
from dbkit.source.statements import Statement, strip_restrict

CODE = """\
-- irreversible: a step in code stood here; write its way back together with its SQL
-- A step in code stood here: {name}
-- Write the SQL that does the same, or SELECT 1 where nothing is to be done.
DO $$
BEGIN
    RAISE EXCEPTION 'a step in code stood here: {name}' USING HINT = 'write the SQL that does the same';
END $$;
"""
DEFAULT_STRINGS = re.compile(r"(?i)set\s+(?:session\s+|local\s+)?standard_conforming_strings\s*(?:=|to)\s*'?(?:on|true)'?")
PATH_IS_SET = re.compile(r"(?i)\bset\s+(?:session\s+|local\s+)?search_path\b|set_config\s*\(\s*'search_path'")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files go: the service's schema, and the tool's own tables, which are not there in a new database."""

    schema: str
    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Doubt:
    """What a person has to settle, and where: `file:line` of what is written."""

    where: str
    text: str


@dataclass(frozen=True, slots=True)
class File:
    """A file to be written. `notes` say what was changed, `unqualified` is the first object that it makes without naming a schema."""

    path: Path
    text: str
    notes: tuple[str, ...]
    doubts: tuple[Doubt, ...]
    unqualified: str | None = None


def convert_step(step: Step, stem: Path, depends: Iterable[str], place: Place) -> list[File]:
    """Return the migration and, where there is a way back, its rollback; `stem` is their path without the suffix."""
    path = stem.with_name(f"{stem.name}.sql")
    if step.up is None:
        name = step.path.name.replace("'", "''").replace("%", "%%")
        return [
            File(path, CODE.format(name=name), (), (Doubt(f"{path}:4", f"{step.path.name} is code: write the SQL that does the same"),))
        ]
    up, down = _convert(step.up, place), _convert(step.down, place) if step.down else None
    for script in (up, down):
        if script and script.transactional and (reason := _no_transaction(script.parsed)):
            script.transactional = False
            script.notes.append(f"`transactional: false`, since {reason}")
    reason = step.irreversible
    if down and down.is_empty and not up.is_empty:
        down, reason = None, "its way back is empty"
    lines = [f"depends: {' '.join(depends)}"] if depends else []
    if up.makes_roles or (down and down.makes_roles):
        up.notes.append("`allow: roles`, since it makes or changes roles")
        lines.append("allow: roles")
    if down is None:
        lines.append(f"irreversible: {reason}")
    files = [up.file(path, lines, MIGRATION_HEADERS)]
    if down:
        files.append(down.file(stem.with_name(f"{stem.name}.rollback.sql"), [], ROLLBACK_HEADERS))
    return files


def convert_repeatable(text: Text, path: Path, place: Place) -> File:
    """Return a repeatable as a routine of the after phase, all of which are deployed in one transaction."""
    script = _convert(text, place)
    script.transactional = True
    return script.file(path, [], ROUTINE_HEADERS)


@dataclass(slots=True)
class _Piece:
    """A part of a script: a statement with its comments and semicolon, or data, or comments alone."""

    text: str
    statement: Statement | None

    def leave_out(self) -> None:
        """Take the statement away; the comments before it stay."""
        assert self.statement is not None  # noqa: S101 asked of statements alone
        start = self.text.rindex(self.statement.text)
        self.text = self.text[:start] + self.text[start + len(self.statement.text) :].replace(";", "", 1)
        self.statement = None


@dataclass(slots=True)
class _Script:
    """A text on its way."""

    sql: str
    place: Place
    transactional: bool
    notes: list[str]
    doubts: list[str]
    parsed: list[Statement] = field(default_factory=list)
    is_empty: bool = False

    @property
    def makes_roles(self) -> bool:
        return len(self.objections(frozenset())) > len(self.objections(frozenset({"roles"})))

    def objections(self, allow: frozenset[str]) -> list[objections.Objection]:
        return objections.objections(self.parsed, schema=self.place.schema, transactional=self.transactional, allow=allow)

    def file(self, path: Path, lines: list[str], known: tuple[str, ...]) -> File:
        """Put our headers before the text, and look at the whole as `dbkit migrate` will."""
        lines = lines if self.transactional else [*lines, "transactional: false"]
        body = self.sql
        if self.is_empty:
            self.notes.append("there is nothing to run in it: SELECT 1")
            body += "SELECT 1;\n" if body.endswith("\n") or not body else "\nSELECT 1;\n"
        spaced = _without_headers(body, known)
        if spaced != body:
            self.notes.append("a comment that would be read as a header of ours is indented")
        text = "".join(f"-- {line}\n" for line in lines) + spaced
        doubts = [Doubt(f"{path}:1", doubt) for doubt in self.doubts]
        if token_hash(spaced) != token_hash(body):
            doubts.append(Doubt(f"{path}:1", "a line of a text looks like a header of ours, and was indented"))
        doubts += [Doubt(f"{path}:{line}", reason) for line, reason in self.obstacles(text)]
        return File(path, text, tuple(dict.fromkeys(self.notes)), tuple(doubts), self.unqualified())

    def obstacles(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield what `dbkit migrate` would refuse in the finished text, and what a new database would."""
        try:
            self.parsed = statements.parse(strip_restrict(text))
        except ScriptSyntaxError as exc:
            yield exc.line, exc.message
            return
        for objection in self.objections(frozenset({"roles"})):
            yield objection.line, f"{objection.message}: {objection.hint}"
        owners = [statement.line for statement in self.parsed if _changes_owner(statement)]
        if owners:
            yield owners[0], f"{len(owners)} of its statements change an owner: leave them out, all objects are the owner role's"
        for statement in self.parsed:
            for table in self.place.tables:
                if "_" in table and re.search(rf"\b{table}\b", statement.text):
                    yield statement.line, f"it uses {table}, which a new database does not have"

    def unqualified(self) -> str | None:
        if any(PATH_IS_SET.search(statement.text) for statement in self.parsed):
            return None
        made = (name for statement in self.parsed for name in created(statement))
        return next((name for name in made if "." not in name and not name.startswith("schema ")), None)


def _convert(text: Text, place: Place) -> _Script:
    script = _Script(text.sql, place, text.transactional, list(text.notes), list(text.doubts))
    try:
        pieces = list(_pieces(text.sql))
    except (ScriptSyntaxError, ConfigurationError):
        return script  # the line is told when the finished file is looked at
    if _unwrap(pieces):
        script.transactional = True
        script.notes.append("its own BEGIN and COMMIT taken away")
    script.notes += _leave_out(pieces, place.schema)
    script.sql = "".join(piece.text for piece in pieces)
    script.parsed = [piece.statement for piece in pieces if piece.statement]
    script.is_empty = not script.parsed
    return script


def _pieces(sql: str) -> Iterator[_Piece]:
    """Cut a script into pieces that make the whole again. Raises ScriptSyntaxError."""
    position = 0
    found = list(lexer.pieces(sql))
    for index, piece in enumerate(found):
        if piece.start > position:
            yield _Piece(sql[position : piece.start], None)
        position = piece.start + len(piece.text)
        if piece.kind == "data":
            yield _Piece(piece.text, None)
            continue
        has_data = found[index + 1 : index + 2] and found[index + 1].kind == "data"
        parsed = statements.parse(strip_restrict(piece.text) + ("\n\\.\n" if has_data else ""))
        yield _Piece(piece.text, parsed[0] if parsed else None)
    yield _Piece(sql[position:], None)


def _unwrap(pieces: list[_Piece]) -> bool:
    """Take away one BEGIN … COMMIT around everything, and say whether there was one; settings may stand before it."""
    told = [piece for piece in pieces if piece.statement]
    control = [piece for piece in told if piece.statement and piece.statement.kind == "transaction_stmt"]
    if len(control) != 2 or control[1] is not told[-1] or [_control(piece) for piece in control] != ["begin", "commit"]:
        return False
    before = told[: told.index(control[0])]
    if not all(piece.statement and piece.statement.kind == "variable_set_stmt" for piece in before):
        return False
    for piece in control:
        piece.leave_out()
    return True


def _control(piece: _Piece) -> str:
    assert piece.statement is not None  # noqa: S101 asked of statements alone
    kinds = {"BEGIN": "begin", "START": "begin", "COMMIT": "commit", "END": "commit"}
    return "other" if piece.statement.node.chain else kinds.get(piece.statement.text.split()[0].upper(), "other")


def _leave_out(pieces: list[_Piece], schema: str) -> Iterator[str]:
    """Take away what dbkit does itself, and what means nothing."""
    for piece in pieces:
        if piece.statement is None:
            continue
        node = piece.statement.node
        match piece.statement.kind:
            case "create_schema_stmt" if node.schemaname == schema and not node.schema_elts:
                piece.leave_out()
                yield f"CREATE SCHEMA {schema} taken away: dbkit makes it"
            case "drop_stmt" if dropped_schemas(node) == [schema]:
                piece.leave_out()
                yield f"DROP SCHEMA {schema} taken away: dbkit keeps it"
            case "variable_set_stmt" if DEFAULT_STRINGS.fullmatch(piece.statement.text):
                piece.leave_out()
                yield "SET standard_conforming_strings = on taken away: it is on"
            case _:
                pass


def _no_transaction(found: list[Statement]) -> str | None:
    """Return why a script can't be one transaction."""
    for statement in found:
        if name := needs_no_transaction(statement):
            return f"{name} can't run in a transaction"
        if statement.kind == "do_stmt" and runs_bare(statement):
            return "a DO block commits"
    return None


def _without_headers(body: str, known: tuple[str, ...]) -> str:
    """Indent the comments of a text that would be taken for our headers."""
    lines = body.split("\n")
    for index, line in enumerate(lines):
        if line.strip() and not line.startswith("--"):
            break
        if _reads_as_header(line, known):
            lines[index] = f" {line}"
    return re.sub(rf"(?m)^(?=-- (?:{'|'.join(known)}):(?:\s|$))", " ", "\n".join(lines))


def _reads_as_header(line: str, known: tuple[str, ...]) -> bool:
    try:
        return bool(read_headers(line, known, ""))
    except ConfigurationError:
        return True


def _changes_owner(statement: Statement) -> bool:
    import postgast

    if statement.kind == "alter_owner_stmt":
        return True
    owner: Any = postgast.pg_query_pb2.AT_ChangeOwner
    return statement.kind == "alter_table_stmt" and any(c.alter_table_cmd.subtype == owner for c in statement.node.cmds)
