"""Numbers that two branches gave twice: the migrations that are new get the next free ones."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from dbkit.errors import ConfigurationError, nearest
from dbkit.project import git
from dbkit.project.manifest import Project
from dbkit.source.files import SUFFIX


@dataclass(frozen=True, slots=True)
class Rename:
    """A migration's stem, before and after."""

    old: str
    new: str


def stems(project: Project, service: str) -> dict[str, list[Path]]:
    """Return the files of each migration by stem, in the order of the numbers, repeated ones too."""
    folder = project.folder(service, "migrations")
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        match = SUFFIX.fullmatch(path.name)
        if match and re.match(r"\d", path.name):
            found.setdefault(match["stem"], []).append(path)
    return dict(sorted(found.items(), key=lambda item: (_number(item[0]), item[0])))


def new_since(project: Project, service: str, base: str | None) -> list[str] | None:
    """Return the stems that the base (else the default branch) does not have; None where git can't tell.

    Raises ConfigurationError for a base that git does not know.
    """
    revision = base or git.default_branch(project.root)
    there = git.files_in(project.root, revision, project.folder(service, "migrations")) if revision else None
    if there is None and base:
        raise ConfigurationError(f"git knows no revision {base!r} here", hint="--base takes a branch, a tag or a commit")
    if there is None:
        return None
    return [stem for stem, files in stems(project, service).items() if not any(path.name in there for path in files)]


def plan_renumber(project: Project, service: str, moving: Collection[str], applied: Collection[str]) -> list[Rename]:
    """Return the renames that put the migrations `moving` behind all others, in their own order.

    One whose number is free and high enough keeps it. Raises ConfigurationError for a name that is not there, and for one
    that is `applied` somewhere.
    """
    there = list(stems(project, service))
    for stem in moving:
        if stem not in there:
            raise ConfigurationError(f"no migration {stem!r}{nearest(stem, there)}", hint=f"files are in migrations of {service}")
    last = max((_number(stem) for stem in there if stem not in moving), default=0)
    renames = []
    for stem in there:
        if stem not in moving:
            continue
        digits = stem[: len(stem) - len(stem.lstrip("0123456789"))]
        if int(digits) > last:
            last = int(digits)
            continue
        last += 1
        renames.append(Rename(stem, f"{last:0{len(digits)}}{stem.removeprefix(digits)}"))
    for rename in renames:
        if rename.old in applied:
            raise ConfigurationError(
                f"{rename.old} is applied, and a name is an identity",
                hint=f"renumber the other one: dbkit renumber {service} NAME",
            )
    return renames


def renumber(project: Project, service: str, renames: list[Rename]) -> list[Path]:
    """Rename the files, and write the new names where `-- depends:` has the old ones; return the files whose text changed."""
    files = stems(project, service)
    for rename in reversed(renames):  # from the last on, since numbers only rise
        for path in files[rename.old]:
            path.rename(path.with_name(rename.new + path.name.removeprefix(rename.old)))
    edited = []
    for path in (path for paths in stems(project, service).values() for path in paths):
        text = path.read_bytes()
        changed = re.sub(rb"(?m)^--[ \t]*depends:.*$", lambda match: _renamed(match[0], renames), text)
        if changed != text:
            path.write_bytes(changed)
            edited.append(path)
    return edited


def _renamed(line: bytes, renames: list[Rename]) -> bytes:
    names = {rename.old.encode(): rename.new.encode() for rename in renames}
    return re.sub(rb"[\w-]+", lambda match: names.get(match[0], match[0]), line)


def _number(stem: str) -> int:
    digits = re.match(r"\d+", stem)
    return int(digits[0]) if digits else 0
