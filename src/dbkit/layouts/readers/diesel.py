"""diesel: a folder a migration, with up.sql, down.sql and perhaps metadata.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError
from dbkit.layouts.steps import Layout, Left, Mark, Reading, Step, Text, files_in, refuse_repeated, sort_out
from dbkit.source.templates import read_source

if TYPE_CHECKING:
    import psycopg
    from psycopg.sql import Composed


def read(folder: Path) -> Reading:
    """Read the folders in diesel's order: by what stands before the first `_`, dashes removed."""
    steps: list[Step] = []
    left: list[Left] = []
    for inner in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        step, rest = _step(inner)
        steps.append(step)
        left.extend(rest)
    refuse_repeated(steps)
    left.extend(sort_out(files_in(folder), "diesel reads FOLDER/up.sql and FOLDER/down.sql"))
    return Reading(tuple(sorted(steps, key=lambda step: step.id)), {}, tuple(left))


def _step(folder: Path) -> tuple[Step, tuple[Left, ...]]:
    if not (folder / "up.sql").is_file():
        raise ConfigurationError("a migration's folder without up.sql", where=f"{folder}:1", hint="diesel refuses it too")
    version, _, name = folder.name.partition("_")
    version = version.replace("-", "")
    transactional = _in_transaction(folder / "metadata.toml")
    down = folder / "down.sql"
    strangers = [
        path for path in files_in(folder, deep=True) if path.relative_to(folder).as_posix() not in {"up.sql", "down.sql", "metadata.toml"}
    ]
    return Step(
        id=version,
        name=f"{version}_{name}" if name else version,
        path=folder / "up.sql",
        up=Text(read_source(folder / "up.sql"), transactional),
        down=Text(read_source(down), transactional) if down.is_file() else None,
        irreversible="there is no down.sql of it",
    ), sort_out(strangers, "diesel reads up.sql and down.sql")


def _in_transaction(metadata: Path) -> bool:
    if not metadata.is_file():
        return True
    try:
        return bool(tomllib.loads(read_source(metadata)).get("run_in_transaction", True))
    except tomllib.TOMLDecodeError as exc:
        raise ConfigurationError(f"not valid TOML: {exc}", where=f"{metadata}:1") from exc


def applied(connection: psycopg.Connection[tuple[Any, ...]], table: Composed, reading: Reading) -> list[Mark]:
    """One row a version."""
    del reading
    rows = connection.execute(b"SELECT version FROM " + table.as_bytes(connection) + b" ORDER BY version").fetchall()
    return [Mark(row[0]) for row in rows]


LAYOUT = Layout(read, ("__diesel_schema_migrations",), frozenset({"version", "run_on"}), applied)
