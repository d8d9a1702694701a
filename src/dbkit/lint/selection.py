"""Which findings are asked for: all, some services', some paths', or those of what changed since a commit."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dbkit.errors import ConfigurationError, nearest
from dbkit.project.manifest import Project


@dataclass(frozen=True, slots=True)
class Selection:
    """None leaves a dimension open. A file is chosen by its service or by its path, and if it changed."""

    services: frozenset[str] | None = None
    paths: tuple[Path, ...] | None = None
    changed: frozenset[Path] | None = None

    @property
    def is_whole(self) -> bool:
        return self == Selection()

    def wants_service(self, service: str) -> bool:
        return (self.services is None and self.paths is None) or service in (self.services or ())

    def wants_path(self, path: Path) -> bool:
        """Say whether a path was named, or lies in a folder that was."""
        return any(path == chosen or chosen in path.parents for chosen in self.paths or ())

    def is_changed(self, path: Path) -> bool:
        return self.changed is None or path in self.changed

    def __str__(self) -> str:
        return repr([sorted(part) if part is not None else None for part in (self.services, map_str(self.paths), map_str(self.changed))])


def map_str(paths: Sequence[Path] | frozenset[Path] | None) -> list[str] | None:
    """Return the paths as text."""
    return None if paths is None else [str(path) for path in paths]


def select(project: Project, words: Sequence[str], here: Path, since: str | None) -> Selection:
    """Tell services from paths; a path is one below `here`, or else below the project."""
    services, paths = set(), []
    for word in words:
        if word in project.manifest.services:
            services.add(word)
            continue
        found = next((base / word for base in (here, project.root) if (base / word).exists()), None)
        if found is None:
            known = list(project.manifest.services)
            raise ConfigurationError(f"neither a service nor a path: {word!r}{nearest(word, known)}", hint=f"services: {', '.join(known)}")
        resolved = found.resolve()
        if resolved != project.root and project.root not in resolved.parents:
            raise ConfigurationError(f"{word} lies outside of the project {project.root}")
        paths.append(resolved)
    return Selection(
        services=frozenset(services) if words else None,
        paths=tuple(paths) if words else None,
        changed=changed_files(project.root, since) if since else None,
    )


def changed_files(root: Path, since: str) -> frozenset[Path]:
    """Return what git says has changed since the commit where the two histories part, untracked files included."""
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{since}^{{commit}}", wanted=since).strip()
    base = _git(root, "merge-base", "HEAD", commit, wanted=since).strip()
    names = _git(root, "diff", "--name-only", "--relative", "--diff-filter=d", "-z", base, "--", wanted=since)
    names += _git(root, "ls-files", "--others", "--exclude-standard", "-z", wanted=since)
    return frozenset(root / name for name in names.split("\0") if name)


def _git(root: Path, *arguments: str, wanted: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)  # noqa: S607 the user's git
    except FileNotFoundError as exc:
        raise ConfigurationError("git is not installed, and --changed-since asks it what has changed") from exc
    if done.returncode:
        reason = done.stderr.strip().removeprefix("fatal: ") or "not a commit"
        raise ConfigurationError(f"git knows no changes since {wanted!r}: {reason}")
    return done.stdout
