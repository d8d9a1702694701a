"""graphile-migrate: committed/*.sql in a chain of hashes, current.sql not yet in it; no way back."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError
from dbkit.layouts.steps import Layout, Left, Mark, Reading, Step, Text, files_in, sort_out
from dbkit.source.templates import read_source

if TYPE_CHECKING:
    import psycopg
    from psycopg.sql import Composed

NAME = re.compile(r"(?P<number>[0-9]+)(?:-(?P<slug>[-_a-zA-Z0-9]*))?\.sql")
HEADER = re.compile(r"--! ([A-Z][A-Za-z0-9_]*)(?::(.*))?")
NO_TRANSACTION = re.compile(r"--!\s*no-transaction\b")
PLACEHOLDER = re.compile(r":[A-Z][0-9A-Z_]+\b")
OF_THE_DATABASE = frozenset({":DATABASE_NAME", ":DATABASE_OWNER"})
NO_COMMENT = re.compile(r"(?m)^\s*(?!--)\S")


def read(folder: Path) -> Reading:
    """Read what is committed, its chain verified; current.sql is named, never read in."""
    committed = folder / "committed"
    if not committed.is_dir():
        raise ConfigurationError(f"no committed/ in {folder}", hint="name graphile-migrate's migrations folder, which holds committed/")
    placeholders = _placeholders(folder)
    steps: list[Step] = []
    strangers = []
    previous: str | None = None
    for path in files_in(committed):
        if not (match := NAME.fullmatch(path.name)):
            strangers.append(path)
            continue
        headers, body = split(read_source(path), str(path))
        previous = _follow(headers, body, previous, str(path))
        steps.append(
            Step(
                id=f"{match['number']}.sql",
                name=f"{match['number']}_{match['slug']}" if match["slug"] else match["number"],
                path=path,
                up=_text(body, placeholders),
                irreversible="graphile-migrate has no way back",
                checksum=previous,
            )
        )
    return Reading(tuple(steps), {}, sort_out(strangers, "graphile-migrate reads committed/NNNNNN.sql", _rest(folder)))


def split(text: str, where: str) -> tuple[dict[str, str], str]:
    """Return the headers and the body behind them. Raises ConfigurationError for a file that was not committed."""
    lines = text.split("\n")
    headers: dict[str, str] = {}
    while len(headers) < len(lines) and (match := HEADER.fullmatch(lines[len(headers)])):
        if match[1] in headers:
            raise ConfigurationError(f"the header {match[1]!r} stands twice", where=f"{where}:{len(headers) + 1}")
        headers[match[1]] = (match[2] or "").strip()
    for name in ("Previous", "Hash"):
        if not headers.get(name):
            raise ConfigurationError(f"no `--! {name}:` in its first lines", where=f"{where}:1", hint="graphile-migrate commit writes it")
    return headers, "\n".join(lines[len(headers) :])


def digest(body: str, previous: str | None) -> str:
    """Return the hash as graphile-migrate has it."""
    return "sha1:" + hashlib.sha1((f"{previous}\n" if previous else "").encode() + f"{body.strip()}\n".encode()).hexdigest()  # noqa: S324


def _follow(headers: Mapping[str, str], body: str, previous: str | None, where: str) -> str:
    """Verify that a file is the next in the chain; return its hash."""
    said = None if headers["Previous"] == "-" else headers["Previous"]
    if said != previous:
        raise ConfigurationError(
            f"the chain is broken: the file follows {said or 'nothing'}, before it stands {previous or 'nothing'}", where=f"{where}:1"
        )
    if digest(body, previous) != headers["Hash"] and "AllowInvalidHash" not in headers:
        raise ConfigurationError(
            "the file was edited after it had been committed: its hash is another",
            where=f"{where}:1",
            hint="bring the committed text back, or, where every database has the edited one, say `--! AllowInvalidHash`",
        )
    return headers["Hash"]


def _text(body: str, placeholders: Mapping[str, str]) -> Text:
    found = sorted({name for name in PLACEHOLDER.findall(body) if name in placeholders or name in OF_THE_DATABASE})
    filled = PLACEHOLDER.sub(lambda match: placeholders.get(match[0], match[0]), body)
    return Text(
        filled,
        transactional=not NO_TRANSACTION.match(body.lstrip("\n")),
        notes=tuple(f"placeholder {name} filled" for name in found if name in placeholders),
        doubts=tuple(f"placeholder {name} has no value here: write what it stands for" for name in found if name not in placeholders),
    )


def _placeholders(folder: Path) -> dict[str, str]:
    """Return the placeholders of .gmrc that have a value there: `!ENV` has none."""
    for place in (folder / ".gmrc", folder.parent / ".gmrc"):
        if place.is_file():
            text = re.sub(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', lambda match: match[1] or "", read_source(place), flags=re.DOTALL)
            text = re.sub(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', lambda match: match[1] or "", text)
            try:
                given = json.loads(text).get("placeholders") or {}
            except json.JSONDecodeError as exc:
                raise ConfigurationError(f"can't be read: {exc.msg}", where=f"{place}:{exc.lineno}") from exc
            return {name: value for name, value in given.items() if value != "!ENV"}
    return {}


def _rest(folder: Path) -> list[Left]:
    """Name the files beside committed/: what is not committed, and SQL that .gmrc runs around migrations."""
    left = []
    for path in files_in(folder, deep=True):
        first = path.relative_to(folder).parts[0]
        if first == "committed" or path.name == ".gmrc":
            continue
        if first in {"current.sql", "current"}:
            if NO_COMMENT.search(read_source(path)):
                left.append(Left(path, "not committed: `graphile-migrate commit` first, or `dbkit new` afterwards", doubt=True))
        elif path.suffix == ".sql":
            left.append(Left(path, "no migration: .gmrc runs it, or an include that is in the committed text already"))
        else:
            left.append(Left(path, "not a migration"))
    return left


def applied(connection: psycopg.Connection[tuple[Any, ...]], table: Composed, reading: Reading) -> list[Mark]:
    """One row a file; what `watch` has tried of current.sql is in no migration, so nobody knows what is there."""
    del reading
    name = table.as_bytes(connection)
    current = name.replace(b'"migrations"', b'"current"')
    if connection.execute("SELECT to_regclass(%s)", [current.decode()]).fetchone() != (None,):
        for (content,) in connection.execute(b"SELECT content FROM " + current).fetchall():
            if NO_COMMENT.search(content):
                raise ConfigurationError(
                    "this database has statements of current.sql, which is in no migration",
                    hint="`graphile-migrate commit`, or bring the database back: graphile-migrate reset",
                )
    rows = connection.execute(b"SELECT filename, hash FROM " + name + b" ORDER BY filename").fetchall()
    return [Mark(filename, hash_) for filename, hash_ in rows]


LAYOUT = Layout(read, ("migrations",), frozenset({"hash", "previous_hash", "filename"}), applied)
