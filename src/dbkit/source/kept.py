"""Rendered templates, kept under .dbkit/rendered/ by all that they depend on: Jinja is half of a run with nothing to do."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from dbkit import __version__
from dbkit.source import templates


class _Kept(msgspec.Struct, frozen=True):
    key: str
    texts: dict[str, str]


class Renderings:
    """The texts of the files of one folder, those of templates as they were kept if nothing that they depend on has changed."""

    def __init__(
        self, place: Path | None, files: Iterable[Path], context: Mapping[str, Any], seen: Mapping[str, Any], includes: tuple[Path, ...]
    ) -> None:
        """`place` is the file to keep them in; `seen` is what of the context is not made of files in `includes`."""
        self._context, self._includes = context, includes
        wanted = [path for path in files if path.suffix == ".j2"]
        self._place = place if wanted else None
        self._key = _key(seen, wanted, includes) if self._place else ""
        self._texts = _read(self._place, self._key) if self._place else {}
        self._known = len(self._texts)

    def text(self, path: Path) -> str:
        """Return what the file stands for. Raises ConfigurationError."""
        if path.suffix != ".j2":
            return templates.read_source(path)
        if str(path) not in self._texts:
            self._texts[str(path)] = templates.render(path, self._context, self._includes)
        return self._texts[str(path)]

    def keep(self) -> None:
        """Keep what was rendered in place of what was kept before; where nothing can be written, nothing is."""
        if self._place is None or len(self._texts) == self._known:
            return
        with contextlib.suppress(OSError):
            self._place.parent.mkdir(parents=True, exist_ok=True)
            (self._place.parent / ".gitignore").write_text("*\n", encoding="utf-8")
            scratch = self._place.with_name(f"{self._place.name}.{os.getpid()}")
            scratch.write_bytes(msgspec.json.encode(_Kept(self._key, self._texts)))
            scratch.replace(self._place)


def _key(context: Mapping[str, Any], files: list[Path], includes: tuple[Path, ...]) -> str:
    """Return the SHA-256 over what renderings depend on: files, all that they may include, what they see, and who renders."""
    digest = hashlib.sha256(json.dumps([_renderer(), context], sort_keys=True).encode())
    below = (os.path.join(base, name) for folder in includes for base, _, names in os.walk(folder) for name in names)  # noqa: PTH118
    for path in sorted({*below, *map(str, files)}):
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 twice as fast
            data = file.read()
        digest.update(f"{path}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()


@lru_cache(maxsize=1)
def _renderer() -> list[str]:
    """Return what changes with the code that renders: by an upgrade, or by an edit in a checkout."""
    jinja = find_spec("jinja2")
    code = [*Path(__file__).parent.glob("*.py"), *([Path(jinja.origin)] if jinja and jinja.origin else [])]
    return [__version__, *sorted(f"{path} {path.stat().st_mtime_ns}" for path in code)]


def _read(place: Path, key: str) -> dict[str, str]:
    try:
        kept = msgspec.json.decode(place.read_bytes(), type=_Kept)
    except (OSError, msgspec.DecodeError):
        return {}
    return kept.texts if kept.key == key else {}
