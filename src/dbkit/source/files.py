"""The files of a service: which there are, in what order, rendered."""

from __future__ import annotations

import graphlib
import heapq
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError, nearest
from dbkit.project.manifest import ROLE_KINDS, Project, bare
from dbkit.project.reference import shared_folders
from dbkit.source import headers
from dbkit.source.kept import Renderings
from dbkit.source.script import LARGE, Script

if TYPE_CHECKING:
    from dbkit.source.backfill import Backfill

SUFFIX = re.compile(r"(?P<stem>.+?)(?P<rollback>\.rollback)?\.sql(\.j2)?$")
VERSIONED = re.compile(r"([0-9]+[A-Za-z0-9_-]*)(\.rollback)?\.sql(?:\.j2)?")


@dataclass(frozen=True)
class Migration:
    """A versioned migration; `id` is `service/name`, `name` the file's stem, as yoyo has it.

    `squashes` are the ids of the migrations that it stands for, and whose files are gone.
    """

    id: str
    name: str
    script: Script
    rollback: Script | None
    transactional: bool
    backfill: Backfill | None
    depends: tuple[str, ...]
    irreversible: str | None
    allow: frozenset[str]
    squashes: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return self.script.path


def names(project: Project, service: str) -> dict[str, Any]:
    """Return what a versioned migration sees: names, no numbers."""
    return {
        "schema": project.schema(service),
        "service": bare(service),
        "project": project.name,
        "roles": {kind: project.role(service, kind) for kind in ROLE_KINDS},
    }


def load_migrations(project: Project, service: str) -> list[Migration]:
    """Read, render and order the migrations of a service.

    Raises ConfigurationError for whatever is wrong with the folder or a header.
    """
    folder = project.folder(service, "migrations")
    ups, downs = _versioned_files(folder)
    for stem, path in downs.items():
        if stem not in ups:
            raise ConfigurationError(
                f"a rollback without its migration: no {stem}.sql beside it",
                where=f"{path}:1",
                hint="delete it, or give both the same name",
            )
    context = names(project, service)
    includes = shared_folders(project.root)
    renderings = Renderings(kept_at(project, service, "migrations"), [*ups.values(), *downs.values()], context, context, includes)

    def script(path: Path) -> Script:
        return read_script(path, renderings, context, includes)

    found = [_migration(service, stem, script(path), script(downs[stem]) if stem in downs else None) for stem, path in ups.items()]
    renderings.keep()
    return _in_order(found)


def kept_at(project: Project, service: str, kind: str) -> Path | None:
    """Return where renderings are kept; not those of a thousand tenants, of which each has its own."""
    if service != bare(service):
        return None
    return project.root / ".dbkit" / "rendered" / f"{service}-{kind}.json"


def _versioned_files(folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the migrations and the rollbacks by stem, in the order of their numbers."""
    ups: dict[str, Path] = {}
    downs: dict[str, Path] = {}
    for entry in sorted(os.scandir(folder), key=attrgetter("name")) if folder.is_dir() else []:
        path = folder / entry.name
        match = _recognised(entry, path)
        if not match:
            continue
        stem, rollback = match.groups()
        files = downs if rollback else ups
        if stem in files:
            raise ConfigurationError(
                f"two files are the same migration {stem!r}",
                where=f"{path}:1",
                hint=f"the other is {files[stem]}: keep one",
            )
        files[stem] = path
    _refuse_repeated_numbers(ups)
    return dict(sorted(ups.items(), key=lambda item: _position(item[0]))), downs


def _recognised(entry: os.DirEntry[str], path: Path) -> re.Match[str] | None:
    """Match a migration's file name, ignore documentation, refuse whatever else is there."""
    if entry.name in {"README.md", ".gitkeep", ".gitignore", "__pycache__"}:
        return None
    match = VERSIONED.fullmatch(entry.name)
    if match and entry.is_file(follow_symlinks=False):
        return match
    hint = "NNNN_what_it_does.sql, or .rollback.sql, with .j2 for a template"
    raise not_ours(path, *(stray(path) or ("not a migration's name", hint)))


def not_ours(path: Path, reason: str, hint: str) -> ConfigurationError:
    """Describe a file that nobody means as source."""
    return ConfigurationError(f"{path.name!r} is {reason}, and is neither run nor skipped", where=f"{path}:1", hint=hint)


def stray(path: Path) -> tuple[str, str] | None:
    """Say what a file is that nobody means as source, and what to do with it; None if nothing speaks against it."""
    name = path.name
    if path.is_symlink():
        return "a link", "put the file itself here"
    if name.startswith("._"):
        return "a file that macOS left behind", "delete it"
    if name.endswith(("~", ".bak", ".orig", ".swp", ".rej")) or name.startswith(("#", ".#")):
        return "an editor's or a merge's left-over", "delete it"
    if name.startswith(".") and SUFFIX.match(name):
        return "a hidden file", "give it a name without the dot, or take it away"
    if SUFFIX.match(name.lower()) and not SUFFIX.match(name):
        return "not lower case", "write the suffix as .sql or .sql.j2"
    return None


def _refuse_repeated_numbers(ups: dict[str, Path]) -> None:
    seen: dict[int, str] = {}
    for stem, path in ups.items():
        number = _position(stem)[0]
        if number in seen:
            raise ConfigurationError(
                f"two migrations have the number {number}: {seen[number]!r} and {stem!r}",
                where=f"{path}:1",
                hint="give the later one the next free number: `dbkit renumber` does",
            )
        seen[number] = stem


def gaps(files: list[Migration]) -> dict[str, range]:
    """Return for each migration the numbers that are missing just before it, where the service's numbers are consecutive."""
    numbered = {_position(migration.name)[0]: migration.id for migration in files}
    return {numbered[number]: missing for number, missing in holes(numbered).items()}


def holes(numbers: Iterable[int]) -> dict[int, range]:
    """Return for each number those that are missing just before it, where they are consecutive.

    They are, if fewer numbers are missing than are there: not so with dates, or in steps of ten.
    """
    there = sorted(numbers)
    missing = {later: range(number + 1, later) for number, later in pairwise(there) if later > number + 1}
    return missing if sum(each.stop - each.start for each in missing.values()) < len(there) else {}


def _position(stem: str) -> tuple[int, str]:
    digits = re.match(r"\d+", stem)
    return int(digits[0]) if digits else 0, stem


def _migration(service: str, stem: str, script: Script, rollback: Script | None) -> Migration:
    path = script.path
    found = headers.read_headers(script.head, headers.MIGRATION_HEADERS, str(path))
    if "backfill" in found and "transactional" in found:
        raise ConfigurationError("a backfill commits each chunk by itself: `transactional` has no place beside it", where=f"{path}:1")
    if found.get("irreversible") == "":
        raise ConfigurationError("irreversible says no reason", where=f"{path}:1", hint="-- irreversible: why there is no way back")
    return Migration(
        id=f"{service}/{stem}",
        name=stem,
        script=script,
        rollback=rollback,
        transactional=headers.boolean(found, "transactional", default=True, where=str(path)),
        backfill=_backfill(found["backfill"], str(path)) if "backfill" in found else None,
        depends=words(found.get("depends")),
        irreversible=found.get("irreversible"),
        allow=frozenset(words(found.get("allow"))),
        squashes=tuple(f"{service}/{name}" for name in words(found.get("squashes"))),
    )


def _backfill(value: str, where: str) -> Backfill:
    from dbkit.source.backfill import read_backfill

    return read_backfill(value, where)


def read_script(path: Path, renderings: Renderings, context: Mapping[str, Any], includes: tuple[Path, ...]) -> Script:
    """Return the rendered file; a large one is not read. Raises ConfigurationError."""
    if path.suffix != ".j2" and path.stat().st_size > LARGE:
        return Script(path, None, context, includes)
    text = renderings.text(path)
    if not text.strip():
        raise ConfigurationError("the file is empty, or renders to nothing", where=f"{path}:1", hint="delete it, or write what it is for")
    return Script(path, text, context, includes)


def words(value: str | None) -> tuple[str, ...]:
    """Return the words of a header's value, with or without commas."""
    return tuple(word for word in re.split(r"[,\s]+", value or "") if word)


def _in_order(found: list[Migration]) -> list[Migration]:
    by_name = {migration.name: migration for migration in found}
    baselines = {squashed.partition("/")[2]: m.name for m in found for squashed in m.squashes}
    for name in baselines.keys() & by_name.keys():
        raise ConfigurationError(
            f"{name} has a file, and {baselines[name]} says that it squashes it",
            where=f"{by_name[name].path}:1",
            hint="delete the file, or take the line `-- squashes:` away",
        )
    for migration in found:
        for wanted in migration.depends:
            if wanted not in by_name and wanted not in baselines:
                raise ConfigurationError(
                    f"depends on {wanted!r}, which is not there{nearest(wanted, list(by_name))}",
                    where=f"{migration.path}:1",
                )
    order = ordered(
        {m.name: [baselines.get(name, name) for name in m.depends] for m in found}, where=lambda name: f"{by_name[name].path}:1"
    )
    return [by_name[name] for name in order]


def ordered(graph: Mapping[str, Iterable[str]], where: Any) -> list[str]:
    """Sort so that each name comes after what it depends on, else in the order given.

    Raises ConfigurationError that names the cycle, at `where(name)`.
    """
    names = list(graph)
    position = {name: index for index, name in enumerate(names)}
    sorter = graphlib.TopologicalSorter(graph)
    try:
        sorter.prepare()
    except graphlib.CycleError as exc:
        cycle = exc.args[1]
        raise ConfigurationError(
            f"circular depends: {' -> '.join(cycle)}", where=where(cycle[0]), hint="take one of these `-- depends:` out"
        ) from exc
    waiting: list[int] = []
    result = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(waiting, position[name])
        result.append(names[heapq.heappop(waiting)])
        sorter.done(result[-1])
    return result
