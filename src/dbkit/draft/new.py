"""The next migration of a service, with its rollback beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dbkit.draft.rollback import TODO, draft_rollback
from dbkit.errors import ConfigurationError
from dbkit.project.manifest import Project
from dbkit.source.files import load_migrations
from dbkit.source.lexer import ScriptSyntaxError

WIDTH = 4
EMPTY_UP = "-- What changes, and why.\n"
EMPTY_DOWN = "-- What undoes it; or delete this file and say `-- irreversible: why` at the top of the other.\n"


@dataclass(frozen=True, slots=True)
class Draft:
    """The two files that were written, and what of the way back is left to a person."""

    migration: Path
    rollback: Path
    left: tuple[str, ...]


def write_migration(project: Project, service: str, name: str, sql: str | None) -> Draft:
    """Write the next free number with `name`; the rollback is drafted from `sql`, where that is given.

    Raises ConfigurationError for a name that is none, for SQL that does not parse, and for a folder that can't be read.
    """
    words = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not words:
        raise ConfigurationError(f"{name!r} has neither letter nor digit", hint="a name says what changes: add_delivery_date")
    stems = [migration.name for migration in load_migrations(project, service)]
    last = stems[-1] if stems else "0"
    digits = re.match(r"\d+", last)
    number = int(digits[0]) + 1 if digits else 1
    width = len(digits[0]) if digits and stems else WIDTH
    folder = project.folder(service, "migrations")
    stem = f"{number:0{width}}_{words}"
    up = sql.rstrip() + "\n" if sql else EMPTY_UP
    down = _drafted(up) if sql else EMPTY_DOWN
    draft = Draft(folder / f"{stem}.sql", folder / f"{stem}.rollback.sql", tuple(x for x in down.splitlines() if x.startswith(TODO)))
    folder.mkdir(parents=True, exist_ok=True)
    draft.migration.write_text(up, encoding="utf-8")
    draft.rollback.write_text(down, encoding="utf-8")
    return draft


def _drafted(up: str) -> str:
    try:
        return draft_rollback(up)
    except ScriptSyntaxError as exc:
        raise ConfigurationError(f"line {exc.line} of the SQL: {exc.message}", hint=exc.hint) from exc
