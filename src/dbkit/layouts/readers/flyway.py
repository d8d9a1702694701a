"""Flyway: V versions, U their undo scripts, R repeatables, in a folder and those below it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError
from dbkit.layouts.settings import read_properties, read_toml
from dbkit.layouts.steps import Layout, Left, Mark, Reading, Step, Text, files_in, refuse_repeated, sort_out
from dbkit.source.templates import read_source

if TYPE_CHECKING:
    import psycopg
    from psycopg.sql import Composed

NAME = re.compile(r"(?P<kind>[VUBR])(?P<version>[0-9]+(?:[._][0-9]+)*)?(?:__(?P<name>.*))?\.(?P<suffix>sql|java|kt|groovy|scala|class)")
CALLBACK = re.compile(r"(?:before|after|create)[A-Z]\w*\.sql")
PLACEHOLDER = re.compile(r"\$\{([^}\s]+)\}")
KNOWN = "Flyway reads V1__name.sql, U1__name.sql and R__name.sql"


@dataclass(frozen=True, slots=True)
class _Script:
    """A file whose name Flyway knows."""

    path: Path
    kind: str
    version: tuple[int, ...]
    in_code: bool


def read(folder: Path) -> Reading:
    """Read all folders below as one, versions in the order of their numbers, repeatables by name."""
    scripts: list[_Script] = []
    left: list[Left] = []
    strangers: list[Path] = []
    for path in files_in(folder, deep=True):
        match = NAME.fullmatch(path.name)
        if match and bool(match["version"]) == (match["kind"] != "R"):
            scripts.append(_Script(path, match["kind"], _version(match["version"]), match["suffix"] != "sql"))
        elif CALLBACK.fullmatch(path.name):
            left.append(Left(path, "a callback: dbkit runs nothing around a migration", doubt=True))
        elif not path.name.endswith(".sql.conf") and path.name not in {"flyway.conf", "flyway.toml"}:
            strangers.append(path)
    placeholders = _placeholders(folder)
    steps, unused = _steps(scripts, placeholders)
    repeatables = {
        script.path.stem.removeprefix("R__"): _text(script.path, placeholders)
        for script in scripts
        if script.kind == "R" and not script.in_code
    }
    left.extend(Left(s.path, "a repeatable in code: write it as SQL", doubt=True) for s in scripts if s.kind == "R" and s.in_code)
    return Reading(steps, repeatables, sort_out(strangers, KNOWN, [*left, *unused]))


def _steps(scripts: Iterable[_Script], placeholders: Mapping[str, str] | None) -> tuple[tuple[Step, ...], list[Left]]:
    undo = {script.version: script.path for script in scripts if script.kind == "U"}
    first = min((script.version for script in scripts if script.kind == "V"), default=None)
    chosen = [s for s in scripts if s.kind == "V" or (s.kind == "B" and (first is None or s.version < first))]
    steps = []
    for script in sorted(chosen, key=lambda script: script.version):
        down = undo.pop(script.version, None)
        steps.append(
            Step(
                id=_id(script.version),
                name=script.path.stem[1:],
                path=script.path,
                up=None if script.in_code else _text(script.path, placeholders),
                down=_text(down, placeholders) if down else None,
                irreversible="Flyway has no undo script for it",
                checksum=None if script.in_code else checksum(read_source(script.path)),
            )
        )
    if undo:
        raise ConfigurationError("an undo script without its migration", where=f"{next(iter(undo.values()))}:1")
    refuse_repeated(steps)
    baselines = [
        Left(s.path, "a baseline script: the versions up to it make the same") for s in scripts if s.kind == "B" and s not in chosen
    ]
    return tuple(steps), baselines


def _version(text: str | None) -> tuple[int, ...]:
    """Return the numbers, `.` and `_` alike; 1 and 1.0 are one version."""
    numbers = [int(part) for part in re.split(r"[._]", text or "0")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _id(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def checksum(text: str) -> str:
    """Return Flyway's checksum: CRC-32 over the lines, their ends left out, as a signed number."""
    value = zlib.crc32(text.replace("\r", "\n").replace("\n", "").encode())
    return str(value - (1 << 32) if value >= 1 << 31 else value)


def _text(path: Path, placeholders: Mapping[str, str] | None) -> Text:
    """Read a script, its own settings beside it and the placeholders filled: those that are declared, inside literals too."""
    beside = path.with_name(f"{path.name}.conf")
    settings = read_properties(beside) if beside.is_file() else {}
    sql = read_source(path)
    transactional = settings.get("executeInTransaction", "true").lower() != "false"
    if placeholders is None or settings.get("placeholderReplacement", "true").lower() == "false":
        return Text(sql, transactional)
    found = {name.lower(): name for name in PLACEHOLDER.findall(sql)}
    filled = PLACEHOLDER.sub(lambda match: placeholders.get(match[1].lower(), match[0]), sql)
    notes = [f"placeholder {name} filled" for key, name in found.items() if key in placeholders]
    doubts = [
        f"placeholder ${{{name}}} has no value in flyway.conf or flyway.toml" for key, name in found.items() if key not in placeholders
    ]
    return Text(filled, transactional, tuple(notes), tuple(doubts))


def _placeholders(folder: Path) -> dict[str, str] | None:
    """Return the declared placeholders, names in lower case; None where replacing is switched off."""
    found: dict[str, str] = {}
    for place in (folder.parent, folder / "conf", folder):
        if (place / "flyway.conf").is_file():
            found |= read_properties(place / "flyway.conf")
        if (place / "flyway.toml").is_file():
            found |= read_toml(place / "flyway.toml")
    settings = {key.lower(): value for key, value in found.items()}
    if settings.get("flyway.placeholderreplacement", "true").lower() == "false":
        return None
    prefix = "flyway.placeholders."
    return {key.removeprefix(prefix): value for key, value in settings.items() if key.startswith(prefix)}


def applied(connection: psycopg.Connection[tuple[Any, ...]], table: Composed, reading: Reading) -> list[Mark]:
    """Follow the rows: a baseline stands for all versions up to it, undone and deleted ones count no more."""
    query = b"SELECT version, type, script, checksum, success FROM " + table.as_bytes(connection) + b" ORDER BY installed_rank"
    found: dict[str, Mark] = {}
    for version, kind, script, number, success in connection.execute(query).fetchall():
        if not success:
            raise ConfigurationError(
                f"Flyway says that {script} failed", hint="see what of it is there, finish it or undo it by hand, then: flyway repair"
            )
        if version is None:
            continue
        key = _version(version)
        if kind.endswith("BASELINE"):
            found |= {step.id: Mark(step.id) for step in reading.steps if _version(step.id) <= key}
        elif kind == "DELETE" or kind.startswith("UNDO"):
            found.pop(_id(key), None)
        else:
            found[_id(key)] = Mark(_id(key), None if number is None else str(number))
    return list(found.values())


LAYOUT = Layout(read, ("flyway_schema_history", "schema_version"), frozenset({"installed_rank", "success"}), applied)
