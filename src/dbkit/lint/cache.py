"""What was found before, kept under .dbkit/lint-cache/ by what it depends on."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

import msgspec

from dbkit.lint.finding import Lint

TOOLS = ("sqlfluff", "sqlfluffrs", "squawk-cli", "postgast", "jinja2")
KEPT_RUNS = 8
KEPT_TEXTS = 20_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StyleHit:
    """What sqlfluff says of a rendered text."""

    line: int
    column: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of JSON files; one that can't be read or written is no cache, and no error."""

    folder: Path

    def run(self, key: str) -> Lint | None:
        return _read(self.folder / f"run-{key}.json", Lint)

    def keep_run(self, key: str, result: Lint) -> None:
        self._write(f"run-{key}.json", msgspec.json.encode(result))
        runs = sorted(self.folder.glob("run-*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in runs[KEPT_RUNS:]:
            old.unlink(missing_ok=True)

    def style(self) -> dict[str, list[StyleHit]]:
        return _read(self.folder / "style.json", dict[str, list[StyleHit]]) or {}

    def keep_style(self, hits: dict[str, list[StyleHit]]) -> None:
        newest = dict(list(hits.items())[-KEPT_TEXTS:])
        self._write("style.json", msgspec.json.encode(newest))

    def _write(self, name: str, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / ".gitignore").write_text("*\n", encoding="utf-8")
            scratch = self.folder / f"{name}.{os.getpid()}"
            scratch.write_bytes(data)
            scratch.replace(self.folder / name)


def cache_of(root: Path) -> Cache:
    """Return the cache of a project."""
    return Cache(root / ".dbkit" / "lint-cache")


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return None


def key_of(*parts: str | bytes) -> str:
    """Return the SHA-256 over the parts, each with its length, in hex."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def files_key(root: Path, folders: Iterable[Path]) -> str:
    """Return the SHA-256 over the names and contents of every file in the folders."""
    parts: list[str | bytes] = []
    for folder in sorted(set(folders)):
        for path in _tree(folder):
            parts += [os.path.relpath(path, root), Path(path).read_bytes()]
    return key_of(*parts)


def _tree(folder: Path) -> list[str]:
    """Return the files below a folder, sorted; links to folders are not followed."""
    return sorted(os.path.join(base, name) for base, _, names in os.walk(folder) for name in names)  # noqa: PTH118 twice as fast


@lru_cache(maxsize=1)
def tools_key() -> str:
    """Return the SHA-256 over the versions of the tools and the sources of whatever makes a finding."""
    package = Path(__file__).parents[1]
    return key_of(*(installed(name) for name in TOOLS), files_key(package, [package / "lint", package / "source", package / "project"]))


def installed(name: str) -> str:
    """Return the version of a package, empty where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
