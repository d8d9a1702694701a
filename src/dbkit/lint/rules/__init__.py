"""Rules of our own: a file each, found by its folder, with a bad and a good example that the suite runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from dbkit.lint.finding import Hit, Kind, Level
from dbkit.lint.lua.program import Lua
from dbkit.lint.parsed import Sql


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule is about, and how it looks.

    Exactly one of the three is set: `script` looks at one rendered script, `service` at all scripts of a service
    (migrations first, in their order), `lua` at one Lua script. `kinds` are the kinds of script that a
    rule reports on; the first is the kind of its examples. One of a rule set looks only where [lint] asks for the set.
    """

    level: Level
    summary: str
    why: str
    bad: str
    good: str
    script: Callable[[Sql], Iterable[Hit]] | None = None
    service: Callable[[Sequence[Sql]], Iterable[tuple[Sql, Hit]]] | None = None
    lua: Callable[[Lua], Iterable[Hit]] | None = None
    kinds: tuple[Kind, ...] = ("migration", "repeatable")
    rule_set: str | None = None


@lru_cache(maxsize=1)
def rules() -> dict[str, Rule]:
    """Return every rule by the name of its file."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    return {name: import_module(f"{__name__}.{name}").RULE for name in names}
