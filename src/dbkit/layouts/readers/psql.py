"""A plain folder of SQL files that somebody runs with psql, pg_dump's among them."""

from __future__ import annotations

import re
from pathlib import Path

from dbkit.errors import ConfigurationError
from dbkit.layouts.meta_commands import Includes, plain_sql
from dbkit.layouts.steps import Layout, Left, Reading, Step, Text, files_in, refuse_repeated, sort_out

NAME = re.compile(r"(?P<name>.+?)(?P<down>\.rollback|\.down)?(?:\.up)?\.sql")


def read(folder: Path) -> Reading:
    """Read the files of all folders in the order of their numbers and names; what another file includes is no step of its own."""
    includes = Includes(folder)
    texts: dict[Path, Text] = {}
    strangers = []
    for path in files_in(folder, deep=True):
        if NAME.fullmatch(path.name):
            texts[path] = plain_sql(path, {}, includes)
        else:
            strangers.append(path)
    ups: dict[str, Path] = {}
    downs: dict[str, Path] = {}
    for path in texts:
        match = NAME.fullmatch(path.relative_to(folder).as_posix())
        if match and path not in includes.seen:
            (downs if match["down"] else ups)[match["name"]] = path
    if unpaired := [path for name, path in downs.items() if name not in ups]:
        raise ConfigurationError("a rollback without its migration", where=f"{unpaired[0]}:1")
    order = sorted(ups, key=_position)
    steps = [
        Step(name, name, ups[name], texts[ups[name]], texts[downs[name]] if name in downs else None, "no rollback file stands beside it")
        for name in order
    ]
    refuse_repeated(steps)
    strangers = [path for path in strangers if path not in includes.seen]
    left = [Left(path, "included by another file, where its text now stands") for path in sorted(includes.seen)]
    if order != sorted(order):
        left.append(Left(folder, f"numbers count, so {_first_difference(order)}: is that how you ran them?", doubt=True))
    return Reading(tuple(steps), {}, sort_out(strangers, "a file ends in .sql", left))


def _position(name: str) -> list[tuple[int, str]]:
    """Return a key that puts 9 before 10, in the folders and in the name."""
    return [(int(digits or -1), word) for digits, word in re.findall(r"(\d+)|([^\d]+)", name)]


def _first_difference(order: list[str]) -> str:
    one, other = next((a, b) for a, b in zip(order, sorted(order), strict=True) if a != b)
    return f"{one} comes before {other}"


LAYOUT = Layout(read)
