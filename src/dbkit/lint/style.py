"""Sqlfluff over rendered texts, in parallel, remembered text by text."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from dbkit.errors import ConfigurationError
from dbkit.lint.cache import Cache, StyleHit, installed, key_of
from dbkit.lint.gather import Piece
from dbkit.lint.place import Place
from dbkit.project.manifest import ROLE_KINDS, Project

DEFAULTS = Path(__file__).with_name("style.toml")
FORMAT = "1"  # of what is remembered
FEW = 3  # texts for which starting processes costs more than it saves


def settings_file(root: Path) -> Path:
    """Return the file that configures sqlfluff: the project's pyproject.toml where it has [tool.sqlfluff], else ours."""
    own = root / "pyproject.toml"
    if not own.is_file():
        return DEFAULTS
    try:
        return own if tomllib.loads(own.read_text(encoding="utf-8")).get("tool", {}).get("sqlfluff") else DEFAULTS
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigurationError(f"can't read {own}: {exc}") from exc


def representatives(project: Project, pieces: Iterable[Piece]) -> list[Piece]:
    """Return one rendering of each file for all that differ in a service's names alone: the longest.

    A shared template is rendered by every service; its style is the same each time, but for lines that long names make long.
    A baseline has no style of its author's: pg_dump wrote it. A large file's is not looked at.
    """
    chosen: dict[tuple[Path, str], Piece] = {}
    for piece in pieces:
        if piece.script.is_large or (piece.migration and piece.migration.squashes):
            continue
        key = (piece.path, _shape(project, piece))
        if key not in chosen or len(piece.script.text) > len(chosen[key].script.text):
            chosen[key] = piece
    return list(chosen.values())


def _shape(project: Project, piece: Piece) -> str:
    names = [project.role(piece.service, kind) for kind in ROLE_KINDS]
    names += [project.schema(piece.service), piece.service]
    return re.sub(rf"\b(?:{'|'.join(map(re.escape, names))})\b", "\0", piece.script.text)


@dataclass(frozen=True, slots=True)
class Styling:
    """Texts on their way through sqlfluff; `result` waits for them."""

    known: dict[str, list[StyleHit]]
    keys: dict[str, str]
    pending: dict[str, Future[list[StyleHit]]]
    pool: ProcessPoolExecutor | None
    cache: Cache

    def result(self) -> dict[str, list[StyleHit]]:
        """Return the hits by text, and remember them."""
        fresh = {key: future.result() for key, future in self.pending.items()}
        if self.pool:
            self.pool.shutdown()
        if fresh:
            self.cache.keep_style({**self.known, **fresh})
        return {text: (fresh.get(key) or self.known.get(key) or []) for text, key in self.keys.items()}


def start(texts: Sequence[str], settings: Path, cache: Cache) -> Styling:
    """Begin with the texts that are not remembered; the longest first, so that no process ends late."""
    configuration = key_of(FORMAT, installed("sqlfluff"), installed("sqlfluffrs"), settings_text(settings))
    known = cache.style()
    keys = {text: key_of(text, configuration) for text in texts}
    missing = sorted((text for text in keys if keys[text] not in known), key=len, reverse=True)
    look = partial(examine, str(settings))
    if len(missing) <= FEW:
        return Styling(known, keys, {keys[text]: _now(look, text) for text in missing}, None, cache)
    # spawned, not forked: the command's progress line is a thread
    pool = ProcessPoolExecutor(min(os.cpu_count() or 1, len(missing)), mp_context=get_context("spawn"))
    return Styling(known, keys, {keys[text]: pool.submit(look, text) for text in missing}, pool, cache)


def _now(look: Callable[[str], list[StyleHit]], text: str) -> Future[list[StyleHit]]:
    future: Future[list[StyleHit]] = Future()
    future.set_result(look(text))
    return future


def examine(settings: str, text: str) -> list[StyleHit]:
    """Return what sqlfluff says of one text. Runs in a process of its own."""
    return hits_of(linter(settings).lint_string(text))


def hits_of(linted: Any) -> list[StyleHit]:
    """Return what sqlfluff found, as our own values."""
    return [StyleHit(v.line_no, v.line_pos, v.rule_code(), v.desc()) for v in linted.get_violations(filter_ignore=False)]


@lru_cache(maxsize=1)
def linter(settings: str) -> Any:
    """Return sqlfluff with the settings of a TOML file; `noqa` has no effect, since `nolint` has."""
    from sqlfluff.core import FluffConfig, Linter
    from sqlfluff.core.config.toml import load_toml_file_config

    configs = load_toml_file_config(settings)
    overrides: dict[str, Any] = {"templater": "raw", "disable_noqa": True, "large_file_skip_byte_limit": 0}
    return Linter(config=FluffConfig(configs=configs, ignore_local_config=True, overrides=overrides))


def is_misread(hit: StyleHit, text: str) -> bool:
    """Say whether sqlfluff is known to be wrong here."""
    line = text.split("\n")[hit.line - 1]
    match hit.code:
        case "CP03" | "LT01" | "LT06":  # = ANY (…) is no function
            return any(found.start() < hit.column <= found.end() + 1 for found in re.finditer(r"\b(ANY|SOME|ALL) ?(?=\()", line))
        case "CP05":  # overlay(… PLACING …) has no type there
            return line.startswith("PLACING", hit.column - 1)
        case "LT02":  # FROM f(…) over several lines: sqlfluff wants FROM to have its own
            return hit.line in calls_that_span_lines(text)
        case "AM09":  # OFFSET 0 leaves out no row: it keeps a subquery apart
            return re.match(r"OFFSET 0\b", line[hit.column - 1 :]) is not None
        case _:
            return False


@lru_cache(maxsize=8)
def calls_that_span_lines(text: str) -> frozenset[int]:
    """Return the lines of `SELECT f(`, `FROM f(` and `JOIN LATERAL f(` up to the closing bracket at the same indentation."""
    lines = text.split("\n")
    found: set[int] = set()
    for number, line in enumerate(lines, 1):
        if match := re.match(r"( *)(?:SELECT|FROM|(?:[A-Z]+ )*JOIN)(?: LATERAL)? [\w.\"]+\($", line):
            closing = match[1] + ")"
            end = next((n for n, later in enumerate(lines[number:], number + 1) if later.startswith(closing)), number)
            found.update(range(number, end + 1))
    return frozenset(found)


def is_artefact(hit: StyleHit, place: Place, lines: list[str]) -> bool:
    """Say whether the layout that a hit is about was made by the rendering, and not by whoever wrote the template."""
    is_template = place.path.suffix == ".j2"
    match hit.code:
        case "LT05" if is_template:
            limit = re.search(r"> (\d+)\)", hit.message)
            return limit is not None and len(place.source) <= int(limit[1])
        case "LT12" if is_template:
            return lines[-1] == "" and (len(lines) < 2 or lines[-2].strip() != "")
        case "LT13" if is_template:
            return lines[0].strip() != ""
        case "LT15" if is_template:
            near = lines[max(place.line - 3, 0) : place.line + 2]
            return not any(not a.strip() and not b.strip() for a, b in pairwise(near))
        case code:
            return code.startswith("LT") and not place.is_written


def is_to_report(hit: StyleHit, text: str, place: Place, lines: list[str]) -> bool:
    """Say whether a hit in a rendered text is its author's business; `lines` are those of the file at the place."""
    return not is_misread(hit, text) and not is_artefact(hit, place, lines)


def message(hit: StyleHit, place: Place) -> str:
    """Return the message; a line's length is the template's, which is what its author sees."""
    if hit.code == "PRS":
        return "sqlfluff can't read what PostgreSQL can, from here on: its style was not looked at"
    if hit.code == "LT05" and (limit := re.search(r"> (\d+)\)", hit.message)):
        return f"the line has {len(place.source)} characters, {limit[1]} are allowed"
    return hit.message.rstrip(".")


def settings_text(settings: Path) -> str:
    """Return the sqlfluff part of a settings file, as text to compare by."""
    return json.dumps(tomllib.loads(settings.read_text(encoding="utf-8"))["tool"]["sqlfluff"], sort_keys=True)
