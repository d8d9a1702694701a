"""dbmate: both directions in one file, below `-- migrate:up` and `-- migrate:down`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError
from dbkit.layouts.steps import Layout, Mark, Reading, Step, Text, files_in, refuse_repeated, sort_out
from dbkit.source.templates import read_source

if TYPE_CHECKING:
    import psycopg
    from psycopg.sql import Composed

NAME = re.compile(r"(?P<name>(?P<version>[0-9]+).*)\.sql")
UP = re.compile(r"(?m)^--[^\S\n]*migrate:up(?P<options>[^\S\n].*)?$")
DOWN = re.compile(r"(?m)^--[^\S\n]*migrate:down(?P<options>[^\S\n].*)?$")


def read(folder: Path) -> Reading:
    """Read the files of the folder in the order of their names, as dbmate has it."""
    steps, strangers = [], []
    for path in files_in(folder):
        if match := NAME.fullmatch(path.name):
            up, down = split(read_source(path), str(path))
            steps.append(Step(match["version"], match["name"], path, up, down, "it has no `-- migrate:down`"))
        else:
            strangers.append(path)
    refuse_repeated(steps)
    return Reading(tuple(steps), {}, sort_out(strangers, "dbmate reads files whose name begins with a number"))


def split(text: str, where: str) -> tuple[Text, Text | None]:
    """Return the two directions; each mark leaves an empty line behind, so that the lines after it keep their numbers.

    Raises ConfigurationError for what dbmate refuses: no `migrate:up`, statements before it, the two the wrong way round.
    """
    begin, middle = UP.search(text), DOWN.search(text)
    if not begin:
        raise ConfigurationError("no `-- migrate:up` in the file", where=f"{where}:1")
    if middle and middle.start() < begin.start():
        raise ConfigurationError("`-- migrate:down` stands before `-- migrate:up`", where=f"{where}:1")
    before = text[: begin.start()]
    if any(line.strip() and not line.lstrip().startswith("--") for line in before.split("\n")):
        raise ConfigurationError("statements before `-- migrate:up`", where=f"{where}:1", hint="dbmate refuses them too")
    end = middle.start() if middle else len(text)
    up = Text(before + text[begin.end() : end], transactional=_in_transaction(begin))
    return up, Text(text[middle.end() :], transactional=_in_transaction(middle)) if middle else None


def _in_transaction(mark: re.Match[str]) -> bool:
    return "transaction:false" not in (mark["options"] or "").split()


def applied(connection: psycopg.Connection[tuple[Any, ...]], table: Composed, reading: Reading) -> list[Mark]:
    """One row a version."""
    del reading
    rows = connection.execute(b"SELECT version FROM " + table.as_bytes(connection) + b" ORDER BY version").fetchall()
    return [Mark(row[0]) for row in rows]


LAYOUT = Layout(read, ("schema_migrations",), frozenset({"version"}), applied)
