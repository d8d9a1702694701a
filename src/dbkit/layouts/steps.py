"""What a tool's folder holds, in the tool's own order, before any of it is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError

if TYPE_CHECKING:
    import psycopg
    from psycopg.sql import Composed


SHOWN = 5  # of a list of files in an error


@dataclass(frozen=True, slots=True)
class Text:
    """The SQL of one direction; `notes` say what the reader changed in it, `doubts` what it could not."""

    sql: str
    transactional: bool = True
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One migration of the tool.

    `id` is what the tool's history calls it, `name` its whole name. `up` is None for a step in code, which `path` then
    is. `irreversible` says why there is no `down`. `checksum` is compared with the history's, where both have one.
    """

    id: str
    name: str
    path: Path
    up: Text | None
    down: Text | None = None
    irreversible: str = ""
    depends: tuple[str, ...] = ()
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """A file that is not carried over, and why; `doubt` where a person has to look."""

    path: Path
    why: str
    doubt: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """A folder as the tool understands it. `project` is the tool's own name for it, where it has one."""

    steps: tuple[Step, ...]
    repeatables: Mapping[str, Text]
    left: tuple[Left, ...]
    project: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A row of the tool's history: this step is applied."""

    id: str
    checksum: str | None = None


Applied = Callable[["psycopg.Connection[tuple[Any, ...]]", "Composed", Reading], list[Mark]]


@dataclass(frozen=True, slots=True)
class Layout:
    """A tool: how its folder is read, and what its history table says.

    `tables` are the names that the table may have, in the order of preference, `columns` those that tell it from
    another tool's. `applied` asks the table, whose quoted name it gets, and raises ConfigurationError for a state that
    nobody should build on. A tool without a table has no `applied`.
    """

    read: Callable[[Path], Reading]
    tables: tuple[str, ...] = ()
    columns: frozenset[str] = frozenset()
    applied: Applied | None = None


def files_in(folder: Path, *, deep: bool = False) -> list[Path]:
    """Return the files of a folder by name, hidden ones and Python's caches left out; `deep` looks into its folders too."""
    found = folder.rglob("*") if deep else folder.iterdir()
    return [path for path in sorted(found) if path.is_file() and not _hidden(path.relative_to(folder))]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)


def sort_out(strangers: Iterable[Path], known: str, left: Iterable[Left] = ()) -> tuple[Left, ...]:
    """Return what is left out, strangers that are no SQL among it.

    Raises ConfigurationError for SQL that the tool would not see: half a history is none.
    """
    others = list(strangers)
    if unseen := [path for path in others if ".sql" in path.name.lower()]:
        names = "\n".join(f"  {path}" for path in unseen[:SHOWN]) + (f"\n  and {len(unseen) - SHOWN} more" if unseen[SHOWN:] else "")
        raise ConfigurationError(
            f"SQL under a name that the tool does not know:\n{names}", hint=f"{known}; rename it, or take it out of the folder"
        )
    return (*left, *(Left(path, "not a migration") for path in others))


def refuse_repeated(steps: Iterable[Step]) -> None:
    """Raise ConfigurationError where two steps have one id."""
    seen: dict[str, Step] = {}
    for step in steps:
        if step.id in seen:
            raise ConfigurationError(
                f"two files are version {step.id}",
                where=f"{step.path}:1",
                hint=f"the other is {seen[step.id].path}: the tool refuses that too",
            )
        seen[step.id] = step
