"""The migrations of a Redis service: files that change the format of keys, and what is to be done with them."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dbkit.errors import ConfigurationError
from dbkit.project.manifest import Project
from dbkit.project.target import Target
from dbkit.redis.journal import Status
from dbkit.redis.scripts import LuaScript, read_script
from dbkit.source.templates import read_source

_NAME = re.compile(r"(?P<stem>\d+[A-Za-z0-9_-]*)(?P<rollback>\.rollback)?\.lua")
_IGNORED = {"README.md", ".gitkeep", ".gitignore"}


@dataclass(frozen=True, slots=True)
class KeyMigration:
    """A versioned change of keys, and the way back; `irreversible` says why there is none."""

    name: str
    script: LuaScript
    rollback: LuaScript | None
    irreversible: str | None

    @property
    def checksum(self) -> str:
        return checksum(self.script.body)


def checksum(text: str) -> str:
    """Return a hash of a script's text; how it is indented and where lines end says nothing."""
    lines = [line.strip() for line in text.splitlines()]
    return hashlib.sha256("\n".join(line for line in lines if line).encode()).hexdigest()


def load_key_migrations(project: Project, service: str) -> list[KeyMigration]:
    """Read the migrations of a service, in the order of their numbers. Raises ConfigurationError for whatever is wrong with them."""
    folder = project.folder(service, "migrations")
    ups: dict[str, Path] = {}
    downs: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        matched = _NAME.fullmatch(path.name)
        if matched and path.is_file():
            (downs if matched["rollback"] else ups)[matched["stem"]] = path
        elif path.name not in _IGNORED:
            raise ConfigurationError(
                f"{path.name!r} is not a migration's name, and is neither run nor skipped",
                where=f"{path}:1",
                hint="NNNN_what_it_does.lua, or .rollback.lua",
            )
    for stem, path in downs.items():
        if stem not in ups:
            raise ConfigurationError(f"a rollback without its migration: no {stem}.lua beside it", where=f"{path}:1")
    found = [_read(project, stem, path, downs.get(stem)) for stem, path in ups.items()]
    found.sort(key=lambda migration: _number(migration.name))
    for one, other in itertools.pairwise(found):
        if _number(one.name) == _number(other.name):
            raise ConfigurationError(f"{one.name} and {other.name} have one number", where=f"{other.script.path}:1")
    return found


def _number(name: str) -> int:
    found = re.match(r"\d+", name)
    return int(found[0]) if found else 0


def _read(project: Project, stem: str, path: Path, back: Path | None) -> KeyMigration:
    said = re.search(r"^-- irreversible: *(\S.*)$", read_source(path), re.MULTILINE)
    if (back is None) == (said is None):
        raise ConfigurationError(
            f"{stem} has " + ("no rollback" if back is None else "a rollback, and says that it is irreversible"),
            where=f"{path}:1",
            hint=f"write {stem}.rollback.lua, or `-- irreversible: why` in the migration",
        )
    return KeyMigration(stem, _script(project, path), _script(project, back) if back else None, said[1] if said else None)


def _script(project: Project, path: Path) -> LuaScript:
    """Read one file, which stands alone: what it includes or counts on would change under what is applied."""
    text = read_source(path)
    if including := re.search(r"^-- include:", text, re.MULTILINE):
        line = text.count("\n", 0, including.start()) + 1
        raise ConfigurationError("a migration includes nothing: a piece changes, what is applied does not", where=f"{path}:{line}")
    script = read_script(project, path)
    header = script.header
    wrong = ""
    if header.name != path.stem:
        wrong = f"its header calls it {header.name!r}"
    elif not header.each:
        wrong = "its header does not say for which keys it is called: EACH and names of KEYS"
    elif header.arguments or header.rules:
        wrong = "a migration takes no ARGV and no RULES"
    elif [field.name for field in header.returns] != ["changed"]:
        wrong = "it has to return `changed`, a flag"
    if wrong:
        raise ConfigurationError(f"{path.name}: {wrong}", where=f"{path}:1")
    return script


def named(names: Iterable[str], wanted: str) -> str | None:
    """Return the migration that is meant by its name or its number."""
    return next((name for name in names if wanted in {name, name.split("_")[0]}), None)


def pending(target: Target, files: list[KeyMigration], found: Mapping[str, Status], to: str | None) -> list[KeyMigration]:
    """Return what is to be applied, in order. Raises ConfigurationError for whatever stands against a run."""
    names = [migration.name for migration in files]
    applied = [name for name, status in found.items() if status.state == "applied"]
    for name, status in found.items():
        if status.state == "half undone":
            raise ConfigurationError(f"the rollback of {name} ended in the middle", hint="finish it first: dbkit rollback; then migrate")
        if status.state == "applied" and name not in names:
            raise ConfigurationError(f"{name} was applied on {status.last.at:%Y-%m-%d %H:%M}, and its file is gone", hint="bring it back")
    for migration in files:
        known = found.get(migration.name)
        if known and known.state == "applied" and known.last.fields["checksum"] != migration.checksum:
            raise ConfigurationError(
                f"{migration.name} was edited after it had been applied (on {known.last.at:%Y-%m-%d %H:%M})",
                where=f"{migration.script.path}:1",
                hint="bring the old text back and write a new migration",
            )
    if to is not None:
        wanted = named(names, to)
        if wanted is None:
            raise ConfigurationError(f"no migration {to!r}", hint=f"migrations: {', '.join(names) or 'none'}")
        files = files[: names.index(wanted) + 1]
    chosen = [migration for migration in files if migration.name not in applied]
    last = max((_number(name) for name in applied), default=-1)
    late = next((migration for migration in chosen if _number(migration.name) < last), None)
    if late and target.policy.out_of_order == "error":
        raise ConfigurationError(
            f"{late.name} comes before what is applied already", where=f"{late.script.path}:1", hint="give it a higher number"
        )
    return chosen
