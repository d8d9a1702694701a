"""Lua scripts, each with its includes pasted; findings stand where the line was written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dbkit.errors import ConfigurationError
from dbkit.lint.finding import Hit, Level
from dbkit.lint.lua.program import Lua
from dbkit.lint.lua.tokens import LuaSyntaxError
from dbkit.lint.rules import rules
from dbkit.project.manifest import Project
from dbkit.redis.scripts import Expanded, expand, library_folder


@dataclass(frozen=True, slots=True)
class Found:
    """What was found where; `help` is what to do instead."""

    path: Path
    line: int
    column: int
    rule: str
    level: Level
    message: str
    help: str | None


def examine(project: Project, paths: Iterable[Path]) -> Iterator[Found | ConfigurationError]:
    """Look at every script with its pieces, and at the pieces that no script includes."""
    pieces: list[Path] = []
    included: set[Path] = set()
    for path in paths:
        if path.parent == library_folder(project):
            pieces.append(path)
            continue
        try:
            expanded = expand(project, path)
        except ConfigurationError as exc:
            yield exc
            continue
        included.update(origin for origin, _ in expanded.origins)
        yield from _look(project, path, expanded)
    for piece in pieces:
        if piece not in included:
            yield from _look(project, piece, expand(project, piece))


def _look(project: Project, path: Path, expanded: Expanded) -> Iterator[Found | ConfigurationError]:
    own = frozenset(number for number, (origin, _) in enumerate(expanded.origins, 1) if origin == path)
    lua = Lua(expanded.text, path, own, project.manifest.lint.redis)
    try:
        _ = lua.program
    except LuaSyntaxError as exc:
        yield _found(expanded, lua.hit(exc.at, exc.message), "syntax", "error", "Redis runs Lua 5.1")
        return
    try:
        _ = lua.header
    except ConfigurationError as exc:
        yield exc
        return
    for name, rule in rules().items():
        for hit in rule.lua(lua) if rule.lua else ():
            yield _found(expanded, hit, name, rule.level, rule.why)


def _found(expanded: Expanded, hit: Hit, rule: str, level: Level, help_text: str) -> Found:
    path, line = expanded.origins[min(hit.line, len(expanded.origins)) - 1]
    return Found(path, line, hit.column, rule, hit.level or level, hit.message, help_text)
