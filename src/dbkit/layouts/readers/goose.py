"""goose: both directions in one file, between `-- +goose` marks; steps in Go beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError
from dbkit.layouts.steps import Layout, Mark, Reading, Step, Text, files_in, refuse_repeated, sort_out
from dbkit.source.templates import read_source

if TYPE_CHECKING:
    import psycopg
    from psycopg.sql import Composed

NAME = re.compile(r"(?P<name>(?P<version>[0-9]+)_.*)\.(?P<kind>sql|go)")
MARK = re.compile(r"(?mi)^--[^\S\n]*\+goose[^\S\n]+(?P<mark>\S.*?)[^\S\n]*$")
VARIABLE = re.compile(r"\$\{?\w")


def read(folder: Path) -> Reading:
    """Read the files of the folder in the order of their numbers."""
    steps, strangers = [], []
    for path in files_in(folder):
        match = NAME.fullmatch(path.name)
        if not match or path.name.endswith("_test.go"):
            strangers.append(path)
            continue
        version = str(int(match["version"]))
        if match["kind"] == "go":
            steps.append(Step(version, match["name"], path, None))
        else:
            up, down = split(read_source(path), str(path))
            steps.append(Step(version, match["name"], path, up, down, "it has no `+goose Down`"))
    refuse_repeated(steps)
    left = sort_out(strangers, "goose reads NNN_name.sql")
    return Reading(tuple(sorted(steps, key=lambda step: int(step.id))), {}, left)


@dataclass(slots=True)
class _File:
    """What is known of a file while its marks are followed."""

    where: str
    parts: dict[str, list[str]] = field(default_factory=dict)
    direction: str = "start"
    transactional: bool = True
    in_statement: bool = False
    substitutes: bool = False
    variables: set[str] = field(default_factory=set)

    def follow(self, mark: str, line: int) -> None:
        where = f"{self.where}:{line}"
        match " ".join(mark.lower().split()):
            case "up" | "down" as direction:
                if direction in self.parts or (direction == "down" and "up" not in self.parts):
                    raise ConfigurationError(f"`+goose {mark}` is not expected here", where=where)
                self.direction = direction
            case "statementbegin" | "statementend" as bracket:
                if self.in_statement == (bracket == "statementbegin") or self.direction == "start":
                    raise ConfigurationError(f"`+goose {mark}` is not expected here", where=where)
                self.in_statement = not self.in_statement
            case "no transaction":
                self.transactional = False
            case "envsub on" | "envsub off" as switch:
                self.substitutes = switch.endswith("on")
            case _:
                raise ConfigurationError(f"goose has no mark `+goose {mark}`", where=where)

    def add(self, body: str) -> None:
        self.parts.setdefault(self.direction, []).append(body)
        if self.substitutes and VARIABLE.search(body):
            self.variables.add(self.direction)


def split(text: str, where: str) -> tuple[Text, Text | None]:
    """Return the two directions; each mark leaves an empty line behind, so that the lines after it keep their order.

    Raises ConfigurationError for marks that are none, or stand where goose refuses them.
    """
    file = _File(where)
    for mark, line, body in sections(text):
        if mark:
            file.follow(mark, line)
        file.add(body)
    if "up" not in file.parts or file.in_statement:
        missing = "`-- +goose StatementEnd`" if file.in_statement else "`-- +goose Up`"
        raise ConfigurationError(f"no {missing} in the file", where=f"{where}:1")
    preamble = "".join(file.parts.pop("start", []))
    if any(line.strip() and not line.lstrip().startswith("--") for line in preamble.split("\n")):
        raise ConfigurationError("statements before `-- +goose Up`", where=f"{where}:1", hint="goose refuses them too")
    doubt = "a variable of the environment (`+goose ENVSUB`) is written as it is: put its value, or a name of our templates, in its place"
    texts = {
        direction: Text("".join(parts), file.transactional, doubts=(doubt,) if direction in file.variables else ())
        for direction, parts in file.parts.items()
    }
    up = texts["up"]
    return Text(preamble + up.sql, up.transactional, doubts=up.doubts), texts.get("down")


def sections(text: str) -> Iterator[tuple[str | None, int, str]]:
    """Yield each mark (None for what stands before the first) with its line, and the text from its end to the next mark."""
    start, mark, line = 0, None, 1
    for match in MARK.finditer(text):
        yield mark, line, text[start : match.start()]
        start, mark, line = match.end(), match["mark"], text.count("\n", 0, match.start()) + 1
    yield mark, line, text[start:]


def applied(connection: psycopg.Connection[tuple[Any, ...]], table: Composed, reading: Reading) -> list[Mark]:
    """Of several rows of a version the last one counts; version 0 is the table's own."""
    del reading
    query = b"SELECT DISTINCT ON (version_id) version_id, is_applied FROM " + table.as_bytes(connection) + b" ORDER BY version_id, id DESC"
    return [Mark(str(version)) for version, is_applied in connection.execute(query).fetchall() if is_applied and version]


LAYOUT = Layout(read, ("goose_db_version",), frozenset({"version_id", "is_applied"}), applied)
