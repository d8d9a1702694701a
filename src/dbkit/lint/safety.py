"""Squawk over the migrations, told and corrected by what only dbkit knows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from dbkit.errors import DbkitError
from dbkit.lint.finding import Hit
from dbkit.lint.gather import Piece
from dbkit.lint.parsed import Sql, strings
from dbkit.source.statements import Statement

NOT_OURS_TO_REPEAT = {
    "require-lock-timeout",  # `[migrate] lock_timeout`: dbkit sets it
    "require-statement-timeout",  # dbkit sets it
    "require-timeout-settings",  # both of these
    "transaction-nesting",  # refused_by_migrate
    "ban-uncommitted-transaction",  # refused_by_migrate
    "ban-concurrent-index-creation-in-transaction",  # refused_by_migrate
    "identifier-too-long",  # our rule of that name looks at every file
    "prefer-identity",  # serial_for_identity looks at every file
    "adding-serial-primary-key-field",  # serial_for_identity
    "prefer-timestamp-tz",  # timestamp_without_time_zone looks at every file
    "prefer-bigint-over-int",  # narrow_key: a quantity or a version number is fine as an integer
    "prefer-bigint-over-smallint",  # narrow_key
    "require-table-schema",  # migrations run with the service's search_path
    "unused-ignore",  # `squawk-ignore` has no effect here: `-- nolint: rule reason` has
    "syntax-error",  # PostgreSQL's own parser has the say
}
# What is said of a table that others use; nobody uses one that is new in the same release.
ABOUT_TABLES_IN_USE = {
    "adding-field-with-default",
    "adding-foreign-key-constraint",
    "adding-not-nullable-field",
    "adding-required-field",
    "ban-drop-column",
    "ban-drop-not-null",
    "changing-column-type",
    "constraint-missing-not-valid",
    "disallowed-unique-constraint",
    "prefer-text-field",
    "renaming-column",
    "renaming-table",
    "require-concurrent-index-creation",
    "require-concurrent-index-deletion",
    "require-concurrent-partition-detach",
    "require-concurrent-reindex",
}
ALWAYS = {"prefer-text-field"}  # also of a new column: said where it is made


@dataclass(frozen=True, slots=True)
class SafetyHit:
    """What squawk says of a migration's rendering."""

    hit: Hit
    rule: str
    help: str | None


def examine(pieces: Sequence[Piece], major: int, release: frozenset[str]) -> Iterator[tuple[Piece, SafetyHit]]:
    """Yield what squawk finds in the migrations; `release` are the ids of those that go out together."""
    parsable = [piece for piece in pieces if piece.migration]
    together = {name for piece in parsable if piece.migration and piece.migration.id in release for name in created(piece.sql)}
    for transactional in (True, False):
        group = [piece for piece in parsable if piece.sql.transactional is transactional]
        for piece, raw in _squawk(group, major, transactional=transactional):
            if raw["rule_name"] in NOT_OURS_TO_REPEAT:
                continue
            new = set(created(piece.sql)) | (together if piece.migration and piece.migration.id in release else set())
            line = raw["line"] + 1
            if raw["rule_name"] in ABOUT_TABLES_IN_USE - ALWAYS and _target(piece.sql, line) & new:
                continue
            yield piece, SafetyHit(_hit(piece.sql, raw), raw["rule_name"], raw["help"])


def _hit(sql: Sql, raw: dict[str, Any]) -> Hit:
    """Turn squawk's place, from 0 and in bytes, into ours."""
    text = sql.text.split("\n")[raw["line"]]
    column = len(text.encode()[: raw["column"]].decode(errors="ignore")) + 1
    return Hit(raw["line"] + 1, raw["message"].rstrip("."), column, "error" if raw["level"] == "Error" else "warning")


def created(sql: Sql) -> Iterator[str]:
    """Yield the names of the tables and materialized views that a script creates."""
    for statement in sql.of_kind("create_stmt", "create_table_as_stmt"):
        yield statement.node.relation.relname if statement.kind == "create_stmt" else statement.node.into.rel.relname


def _target(sql: Sql, line: int) -> set[str]:
    """Return the table (or index) that the statement around a line is about."""
    statement = next((s for s in reversed(sql.statements) if s.line <= line), None)
    return set(_relations(statement)) if statement else set()


def _relations(statement: Statement) -> Iterator[str]:
    if statement.kind == "drop_stmt":
        for item in statement.node.objects:
            yield (strings(item.list.items) or [""])[-1]
    elif hasattr(statement.node, "relation"):
        yield statement.node.relation.relname


def _squawk(pieces: Sequence[Piece], major: int, *, transactional: bool) -> Iterator[tuple[Piece, dict[str, Any]]]:
    if not pieces:
        return
    with tempfile.TemporaryDirectory(prefix="dbkit-lint-") as name:
        folder = Path(name)
        for number, piece in enumerate(pieces):
            # one suppression syntax: squawk's own is put out of sight, at the same length
            (folder / f"{number}.sql").write_text(piece.sql.text.replace("squawk-ignore", "squawk_ignore"), encoding="utf-8")
        command = [str(squawk()), "--reporter", "json", "--pg-version", f"{major}.0"]
        command += ["--assume-in-transaction"] if transactional else []
        command += [f"{number}.sql" for number in range(len(pieces))]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)
    except json.JSONDecodeError as exc:
        raise DbkitError("squawk could not be run", hint=(done.stderr or done.stdout).strip()[:500] or None) from exc
    for raw in found:
        yield pieces[int(Path(raw["file"]).stem)], raw


def squawk() -> Path:
    """Return the program that the squawk-cli wheel installs."""
    for path in _candidates():
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise DbkitError("squawk is not installed", hint="pip install squawk-cli")


def _candidates() -> Iterable[Path]:
    name = "squawk.exe" if sys.platform == "win32" else "squawk"
    try:
        package = distribution("squawk-cli")
    except PackageNotFoundError:
        package = None
    if package:
        yield from (Path(str(package.locate_file(file))) for file in package.files or [] if file.name == name)
    yield Path(sys.executable).parent / name
