"""What there is to look at: every rendered script of the services, and the Lua files beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dbkit.errors import ConfigurationError
from dbkit.lint.finding import Kind
from dbkit.lint.parsed import Sql
from dbkit.project.manifest import Project
from dbkit.project.reference import shared_folders
from dbkit.redis.scripts import library_folder
from dbkit.source import files, repeatables, templates
from dbkit.source.files import Migration
from dbkit.source.script import Script


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One rendering of one file, by one service."""

    kind: Kind
    service: str
    script: Script
    sql: Sql
    migration: Migration | None = None

    @property
    def path(self) -> Path:
        return self.script.path


@dataclass(slots=True)
class Gathered:
    """The renderings, the Lua files with the services that use them, and what could not be read of which service."""

    pieces: list[Piece] = field(default_factory=list)
    lua: dict[Path, set[str]] = field(default_factory=lambda: defaultdict(set))
    errors: list[tuple[str, ConfigurationError]] = field(default_factory=list)


def gather(project: Project) -> Gathered:
    """Read and render all there is. What can't be read becomes an error, and the rest is still looked at."""
    found = Gathered()
    postgres = [name for name, service in project.manifest.services.items() if service.engine == "postgres"]
    for service in postgres:
        for read in (_migrations, _routines, _seeds):
            found.pieces += _try(found, read, project, service)
    if postgres:
        found.pieces += _try(found, _checks, project, postgres[0])
    _gather_lua(found, project)
    return found


def _try(found: Gathered, read: Callable[[Project, str], list[Piece]], project: Project, service: str) -> list[Piece]:
    try:
        return read(project, service)
    except ConfigurationError as exc:
        found.errors.append((service, exc))
        return []


def _migrations(project: Project, service: str) -> list[Piece]:
    pieces = []
    for migration in files.load_migrations(project, service):
        sql = Sql(
            text=migration.script.text,
            kind="migration",
            schema=project.schema(service),
            routing_key=project.service(service).routing_key,
            transactional=migration.transactional,
            allow=migration.allow,
            has_way_back=migration.rollback is not None or migration.irreversible is not None,
        )
        pieces.append(Piece("migration", service, migration.script, sql, migration))
        if migration.rollback:
            pieces.append(_piece(project, "rollback", service, migration.rollback))
    return pieces


def _routines(project: Project, service: str) -> list[Piece]:
    return [_piece(project, "repeatable", service, routine.script) for routine in repeatables.load_routines(project, service)]


def _seeds(project: Project, service: str) -> list[Piece]:
    return [_piece(project, "seed", service, script) for script in repeatables.load_seeds(project, service)]


def _checks(project: Project, service: str) -> list[Piece]:
    """Render the project's own health checks, as the first service sees them; ours are not its author's to mend."""
    context = files.names(project, service) | {"rules": project.service(service).rules}
    includes = shared_folders(project.root)
    paths = sorted(includes[0].glob("*/health/*.sql.j2"))
    return [_piece(project, "check", service, Script(path, templates.render(path, context, includes), context, includes)) for path in paths]


def _piece(project: Project, kind: Kind, service: str, script: Script) -> Piece:
    sql = Sql(text=script.text, kind=kind, schema=project.schema(service), routing_key=project.service(service).routing_key)
    return Piece(kind, service, script, sql)


def _gather_lua(found: Gathered, project: Project) -> None:
    for name, service in project.manifest.services.items():
        folders = [project.folder(name, "scripts"), library_folder(project)] if service.engine == "redis" else []
        for path in (path for folder in folders if folder.is_dir() for path in sorted(folder.glob("*.lua"))):
            found.lua[path].add(name)


def source_folders(project: Project) -> list[Path]:
    """Return every folder whose files a run reads."""
    folders = [library_folder(project), *shared_folders(project.root)]
    for name in project.manifest.services:
        folders += [project.folder(name, kind) for kind in ("migrations", "routines", "scripts", "seeds")]
    return folders
