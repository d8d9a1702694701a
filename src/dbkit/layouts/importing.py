"""A tool's folder becomes migrations and routines of a service."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from dbkit.errors import ConfigurationError
from dbkit.layouts.convert import Doubt, File, Place, convert_repeatable, convert_step
from dbkit.layouts.readers import layout_of
from dbkit.layouts.steps import Layout, Reading, Step
from dbkit.project.manifest import Project
from dbkit.source.files import holes, load_migrations

LONGEST = 120  # of a name that is made; the file system's and yoyo's limit is 255


@dataclass(frozen=True, slots=True)
class Imported:
    """A step of the tool, the name that it has here, and its files."""

    step: Step
    name: str
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Import:
    """What an import writes, in order. `names` leads from the tool's ids to ours."""

    tool: str
    layout: Layout
    reading: Reading
    migrations: tuple[Imported, ...]
    routines: tuple[File, ...]
    doubts: tuple[Doubt, ...]

    @property
    def files(self) -> list[File]:
        return [*(file for migration in self.migrations for file in migration.files), *self.routines]

    @property
    def names(self) -> dict[str, str]:
        return {migration.step.id: migration.name for migration in self.migrations}


def plan_import(project: Project, service: str, tool: str, folder: Path) -> Import:
    """Read the tool's folder and say what it becomes; nothing is written.

    Raises ConfigurationError for a folder that the tool itself could not run: see each reader.
    """
    layout = layout_of(tool)
    reading = layout.read(folder)
    if not reading.steps:
        raise ConfigurationError(f"no migration of {tool} in {folder}")
    place = Place(project.schema(service), layout.tables)
    names = dict(zip([step.id for step in reading.steps], stems([step.name for step in reading.steps]), strict=True))
    target = project.folder(service, "migrations")
    migrations = tuple(
        Imported(step, names[step.id], tuple(convert_step(step, target / names[step.id], [names[other] for other in step.depends], place)))
        for step in reading.steps
    )
    routines = tuple(
        convert_repeatable(text, project.folder(service, "routines") / f"{_clean(name)}.sql", place)
        for name, text in sorted(reading.repeatables.items())
    )
    made = [file for migration in migrations for file in migration.files] + list(routines)
    return Import(tool, layout, reading, migrations, routines, tuple(_all_doubts(made, reading, place.schema)))


def stems(names: Sequence[str]) -> list[str]:
    """Return our names for a tool's, in its order: its own where they sort that way here too and miss no number, else numbered."""
    own = [_clean(name) for name in names]
    numbers = [int(digits[0]) if (digits := re.match(r"[0-9]+", name)) else -1 for name in own]
    if numbers[0] >= 0 and all(one < other for one, other in pairwise(numbers)) and not holes(numbers):
        return own
    width = max(4, len(str(len(own))))
    return [f"{number:0{width}}_{name}" for number, name in enumerate(own, 1)]


def _clean(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:LONGEST]


def _all_doubts(files: list[File], reading: Reading, schema: str) -> list[Doubt]:
    doubts = [doubt for file in files for doubt in file.doubts]
    doubts += [Doubt(str(left.path), left.why) for left in reading.left if left.doubt]
    first = next((file for file in files if file.unqualified), None)
    if first and schema != "public":
        doubts.append(
            Doubt(
                f"{first.path}:1",
                f"names without a schema ({first.unqualified} is the first) are made in public, not in {schema}:"
                ' say schema = "public" for the service, or write the schema',
            )
        )
    return doubts


def is_written(project: Project, service: str, planned: Import) -> bool:
    """Say whether the import stands in the service's folder already.

    Raises ConfigurationError where something else does, or only a part of it.
    """
    there = {migration.name for migration in load_migrations(project, service)}
    missing = [name for name in planned.names.values() if name not in there]
    if there and missing:
        raise ConfigurationError(
            f"{service} has migrations, but not {missing[0]}" + (f" and {len(missing) - 1} more" if missing[1:] else ""),
            where=f"{project.folder(service, 'migrations')}:1",
            hint="an import is for a service without migrations; what came later to the old folder is written with `dbkit new`",
        )
    return bool(there)


def write_import(planned: Import) -> None:
    """Write all files, or none. Raises ConfigurationError where one is there already."""
    files = planned.files
    if there := [file.path for file in files if file.path.exists()]:
        raise ConfigurationError("the file is there already, and an import overwrites nothing", where=f"{there[0]}:1")
    written: list[Path] = []
    try:
        for file in files:
            file.path.parent.mkdir(parents=True, exist_ok=True)
            written.append(file.path)
            file.path.write_text(file.text, encoding="utf-8", newline="")
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
