"""Sqlfluff's fixes, applied to what people wrote: the template, where a line of the rendering is one of its lines.

Two things are proven of each file before it is written: the tokens of its rendering are the same before and after, so that
it means the same; and the changed template renders to exactly what was checked.
"""

from __future__ import annotations

import difflib
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dbkit.errors import ConfigurationError
from dbkit.lint import style
from dbkit.lint.cache import StyleHit, cache_of
from dbkit.lint.gather import Piece, gather
from dbkit.lint.place import Places
from dbkit.lint.selection import Selection
from dbkit.project.manifest import Project
from dbkit.source import templates
from dbkit.source.checksum import token_hash
from dbkit.source.lexer import ScriptSyntaxError
from dbkit.source.script import Script


@dataclass(frozen=True, slots=True)
class Fixed:
    """What became of one file: how many lines changed, or why it was left as it was."""

    path: Path
    lines: int
    refusal: str | None = None


def fix(project: Project, selection: Selection) -> list[Fixed]:
    """Write the fixes of the files that were selected. To be run in a process of its own: templates stay compiled."""
    settings = style.settings_file(project.root)
    chosen = [piece for piece in gather(project).pieces if _is_chosen(project, selection, piece) and _parses(piece)]
    pieces = style.representatives(project, chosen)
    found = style.start([piece.script.text for piece in pieces], settings, cache_of(project.root)).result()
    outcomes = (_fix(piece.script, found[piece.script.text], settings) for piece in pieces)
    return [outcome for outcome in outcomes if outcome]


def _is_chosen(project: Project, selection: Selection, piece: Piece) -> bool:
    wanted = selection.wants_service(piece.service) or selection.wants_path(piece.path)
    return wanted and selection.is_changed(piece.path) and project.root in piece.path.parents


def _parses(piece: Piece) -> bool:
    try:
        return bool(piece.sql.statements)
    except ScriptSyntaxError:
        return False


def _fix(script: Script, hits: list[StyleHit], settings: Path) -> Fixed | None:
    places = Places()
    found = [(hit, places.find(script, hit.line, hit.column)) for hit in hits if hit.code != "PRS"]
    if not any(style.is_to_report(hit, script.text, place, places.of(place.path)) for hit, place in found if place.path == script.path):
        return None
    spared = frozenset(hit.line for hit in hits if style.is_misread(hit, script.text))
    source, rendering = _transplant(script, _mended(script.text, settings), spared)
    if rendering == script.text:
        return Fixed(script.path, 0, "sqlfluff has no fix, or none for the line of the template")
    if token_hash(rendering) != token_hash(script.text):
        return Fixed(script.path, 0, "sqlfluff's fix would change what the SQL says")
    if _rendered(script, source) != rendering:
        return Fixed(script.path, 0, "the mended template would render to something else")
    script.path.write_text(source, encoding="utf-8", newline="\n")
    before, after = script.text.split("\n"), rendering.split("\n")
    changed = sum(max(i2 - i1, j2 - j1) for i1, i2, j1, j2 in _hunks(before, after))
    return Fixed(script.path, changed)


def _mended(text: str, settings: Path) -> str:
    linted = style.linter(str(settings)).lint_string(text, fix=True)
    fixed, _ = linted.fix_string()
    return str(fixed)


def _hunks(before: list[str], after: list[str]) -> Iterator[tuple[int, int, int, int]]:
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            yield i1, i2, j1, j2


def _transplant(script: Script, text: str, spared: frozenset[int]) -> tuple[str, str]:
    """Carry over what can be, past the lines that are to stay; return the new template, and the rendering that it has to have."""
    before, after = script.text.split("\n"), text.split("\n")
    source = templates.read_source(script.path).split("\n")
    once = Counter(script.origins)
    rendering = list(before)
    for i1, i2, j1, j2 in reversed(list(_hunks(before, after))):
        lines = [script.origins[number].line for number in range(i1, i2)]
        if any(script.origins[n].path != script.path or once[script.origins[n]] > 1 or n + 1 in spared for n in range(i1, i2)):
            continue
        if not lines or lines != list(range(lines[0], lines[0] + len(lines))):
            continue
        new = _carried(source[lines[0] - 1 : lines[-1]], before[i1:i2], after[j1:j2])
        if new is not None:
            source[lines[0] - 1 : lines[-1]] = new
            rendering[i1:i2] = after[j1:j2]
    return "\n".join(source), "\n".join(rendering)


def _carried(source: list[str], before: list[str], after: list[str]) -> list[str] | None:
    """Return the template's lines with the change, None where it can't be made."""
    if source == before:
        return after
    if len(before) != len(after):
        return None
    carried = [_reindented(*lines) for lines in zip(source, before, after, strict=True)]
    return None if None in carried else [line for line in carried if line is not None]


def _reindented(source: str, before: str, after: str) -> str | None:
    """Carry a change of a line, or of its indentation where the line holds expressions."""
    if source == before:
        return after
    margin = before[: len(before) - len(before.lstrip())]
    same = before.lstrip() == after.lstrip() and source.startswith(margin) and not source[len(margin) :].startswith((" ", "{%"))
    return after[: len(after) - len(after.lstrip())] + source[len(margin) :] if same else None


def _rendered(script: Script, source: str) -> str | None:
    """Render a template that is not written yet."""
    with tempfile.TemporaryDirectory(prefix="dbkit-lint-") as folder:
        draft = Path(folder) / script.path.name
        draft.write_text(source, encoding="utf-8", newline="\n")
        try:
            return templates.render(draft, script.context, script.includes)
        except ConfigurationError:
            return None
