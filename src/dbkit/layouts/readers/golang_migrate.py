"""golang-migrate: NNN_name.up.sql and NNN_name.down.sql, one row of history."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError
from dbkit.layouts.steps import Layout, Mark, Reading, Step, Text, files_in, refuse_repeated, sort_out
from dbkit.source.templates import read_source

if TYPE_CHECKING:
    import psycopg
    from psycopg.sql import Composed

NAME = re.compile(r"(?P<name>(?P<version>[0-9]+)_.*)\.(?P<direction>up|down)\.sql")


def read(folder: Path) -> Reading:
    """Read the pairs of the folder in the order of their numbers."""
    found: dict[str, list[tuple[str, Path]]] = {"up": [], "down": []}
    strangers = []
    for path in files_in(folder):
        if match := NAME.fullmatch(path.name):
            found[match["direction"]].append((match["name"], path))
        else:
            strangers.append(path)
    downs = dict(found["down"])
    steps = []
    for name, path in found["up"]:
        down = downs.pop(name, None)
        version = str(int(name.partition("_")[0]))
        text = Text(read_source(down)) if down else None
        steps.append(Step(version, name, path, Text(read_source(path)), text, "there is no .down.sql of it"))
    if downs:
        raise ConfigurationError("a .down.sql without its .up.sql", where=f"{next(iter(downs.values()))}:1")
    refuse_repeated(steps)
    left = sort_out(strangers, "golang-migrate reads NNN_name.up.sql and NNN_name.down.sql")
    return Reading(tuple(sorted(steps, key=lambda step: int(step.id))), {}, left)


def applied(connection: psycopg.Connection[tuple[Any, ...]], table: Composed, reading: Reading) -> list[Mark]:
    """Everything up to the one version that the table holds."""
    row = connection.execute(b"SELECT version, dirty FROM " + table.as_bytes(connection)).fetchone()
    if row is None:
        return []
    version, dirty = row
    if dirty:
        raise ConfigurationError(
            f"golang-migrate says that version {version} is dirty: it failed in the middle",
            hint=f"see what of it is there, finish it or undo it by hand, then: migrate force {version}, or the version before it",
        )
    if str(version) not in {step.id for step in reading.steps}:
        return [Mark(str(version))]
    return [Mark(step.id) for step in reading.steps if int(step.id) <= version]


LAYOUT = Layout(read, ("schema_migrations",), frozenset({"version", "dirty"}), applied)
