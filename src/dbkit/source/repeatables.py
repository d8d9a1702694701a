"""The files of a service that are put in again when they change: routines, and example data."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dbkit.errors import ConfigurationError
from dbkit.project.reference import shared_folders
from dbkit.source import headers
from dbkit.source.files import SUFFIX, kept_at, names, not_ours, read_script, stray, words
from dbkit.source.kept import Renderings

if TYPE_CHECKING:
    from dbkit.project.manifest import Project
    from dbkit.source.script import Script
    from dbkit.source.statements import Statement


@dataclass(frozen=True)
class Routine:
    """A repeatable; `id` is `service/folder/name`."""

    id: str
    script: Script
    phase: Literal["before", "after"]
    depends: tuple[str, ...]
    server: tuple[str, int] | None

    @cached_property
    def statements(self) -> list[Statement]:
        """The parsed text. Raises ConfigurationError at its line."""
        from dbkit.source.statements import refuse_syntax

        return refuse_syntax(self.script.text, str(self.script.path))

    def suits(self, major: int) -> bool:
        """Say whether the file is for a server of that major version."""
        if self.server is None:
            return True
        sign, bound = self.server
        return {">=": major >= bound, "<": major < bound, "=": major == bound}[sign]


def _everything(project: Project, service: str, roles: Mapping[str, str] | None) -> dict[str, Any]:
    """Return what a repeatable sees: the names, the manifest's numbers, the roles that exist."""
    context = names(project, service) | {"rules": project.service(service).rules}
    return context | {"roles": dict(roles)} if roles else context


def load_routines(project: Project, service: str, roles: Mapping[str, str] | None = None) -> list[Routine]:
    """Read and render the repeatables of a service: its own folder and the shared ones it names.

    `roles` says which role stands for which kind on this server; the manifest's names if None.
    """
    seen = _everything(project, service, roles)
    includes = shared_folders(project.root)
    files = _repeatable_files(project, service)
    context = _WithChecks(seen, project.root, files.values())
    renderings = Renderings(kept_at(project, service, "routines"), files.values(), context, seen, includes)
    found = [_routine(service, name, read_script(path, renderings, context, includes)) for name, path in files.items()]
    renderings.keep()
    return found


class _WithChecks(Mapping[str, Any]):
    """What a repeatable sees, the health checks too where a file names them: templates themselves, they are read when one is rendered."""

    def __init__(self, seen: Mapping[str, Any], root: Path, files: Iterable[Path]) -> None:
        self._seen, self._root, self._files = seen, root, files

    @cached_property
    def _all(self) -> Mapping[str, Any]:
        if not any("health_checks" in path.read_text(encoding="utf-8", errors="replace") for path in self._files):
            return self._seen
        from dbkit.source.checks import ANY_SCHEMA, load_checks

        return {**self._seen, "health_checks": load_checks(self._root, {**self._seen, "schema": ANY_SCHEMA})}

    def __getitem__(self, key: str) -> Any:
        return self._all[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


def _repeatable_files(project: Project, service: str) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for shared in project.service(service).shared:
        folders = [root / shared for root in shared_folders(project.root)]
        if not any(folder.is_dir() for folder in folders):
            raise ConfigurationError(
                f"no shared folder {shared!r} for service {service!r}", hint=f"looked in {', '.join(map(str, folders))}"
            )
        for folder in reversed(folders):
            files |= {f"{shared}/{name}": path for name, path in _tree(folder).items() if not name.startswith("health/")}
    return files | _tree(project.folder(service, "routines"))


def _tree(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for parts, entry in sorted(_below(folder, ()), key=itemgetter(0)) if folder.is_dir() else []:
        path = Path(entry.path)
        match = SUFFIX.match("/".join(parts))
        if ".sql" in entry.name.lower() and (reason := stray(path)):
            raise not_ours(path, *reason)
        if entry.is_symlink() and entry.is_dir():
            raise not_ours(path, "a link to a folder", "put the files here, or in a shared folder under schemas/_shared")
        if match and entry.is_file():
            found[match["stem"] + (match["rollback"] or "")] = path
    return found


def _below(folder: Path | str, parts: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], os.DirEntry[str]]]:
    """Yield whatever lies below a folder, with the names on the way there; links to folders are not followed."""
    for entry in os.scandir(folder):
        names = (*parts, entry.name)
        yield names, entry
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path, names)


def _routine(service: str, name: str, script: Script) -> Routine:
    path = script.path
    found = headers.read_headers(script.text, headers.ROUTINE_HEADERS, str(path))
    phase = found.get("phase", "after")
    if phase not in {"before", "after"}:
        raise ConfigurationError(f"phase must be before or after, not {phase!r}", where=f"{path}:1")
    server = re.fullmatch(r"(>=|<|=)\s*(\d+)", found["server"]) if "server" in found else None
    if "server" in found and not server:
        raise ConfigurationError(f"server must read like '>= 18' or '< 18', not {found['server']!r}", where=f"{path}:1")
    return Routine(
        id=f"{service}/{name}",
        script=script,
        phase="before" if phase == "before" else "after",
        depends=words(found.get("depends")),
        server=(server[1], int(server[2])) if server else None,
    )


def load_seeds(project: Project, service: str) -> list[Script]:
    """Read and render the example data of a service, in the order of the file names."""
    context = _everything(project, service, None)
    includes = shared_folders(project.root)
    files = list(_tree(project.folder(service, "seeds")).values())
    renderings = Renderings(kept_at(project, service, "seeds"), files, context, context, includes)
    found = [read_script(path, renderings, context, includes) for path in files]
    renderings.keep()
    return found
