"""From a place in the rendering to the place where a person wrote it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from dbkit.source.script import Script
from dbkit.source.templates import read_source

_EXPRESSION = re.compile(r"(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\})")


@dataclass(frozen=True, slots=True)
class Place:
    """A line and column of a source file. `is_written` is false where a template's expression made the text."""

    path: Path
    line: int
    column: int
    source: str
    is_written: bool


@dataclass(frozen=True, slots=True)
class Places:
    """Finds places; keeps the lines of the files that it has read."""

    lines: dict[Path, list[str]] = field(default_factory=dict)

    def of(self, path: Path) -> list[str]:
        """Return the lines of a source file."""
        if path not in self.lines:
            self.lines[path] = read_source(path).split("\n")
        return self.lines[path]

    def find(self, script: Script, line: int, column: int) -> Place:
        """Return where a character of the rendering (both counted from 1) was written."""
        origin = script.origin(line)
        lines = self.of(origin.path)
        rendered = script.text.split("\n")
        text = rendered[min(line, len(rendered)) - 1]
        number = min(origin.line, len(lines))
        source = lines[number - 1]
        if text == source:
            return Place(origin.path, number, column, source, is_written=True)
        mapped, is_written = _column(source, text, column)
        return Place(origin.path, number, mapped, source, is_written)


def _column(source: str, rendered: str, column: int) -> tuple[int, bool]:
    """Map a column of the rendering into the template's line: exactly in text, else to the expression's first brace."""
    pieces = _EXPRESSION.split(source)
    pattern = "".join(f"({re.escape(piece)})" if number % 2 == 0 else "(.*?)" for number, piece in enumerate(pieces))
    match = re.fullmatch(pattern, rendered)
    if not match:
        return len(source) - len(source.lstrip()) + 1, False
    before = 0
    for number, piece in enumerate(pieces):
        start, end = match.span(number + 1)
        if start <= column - 1 < end or (number % 2 == 0 and column - 1 == end == len(rendered)):
            return (before + column - start, True) if number % 2 == 0 else (before + 1, False)
        before += len(piece)
    return max(before, 1), False
