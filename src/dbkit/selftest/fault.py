"""A fault: what is done to a run, and what must be true afterwards."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dbkit.errors import ConfigurationError

if TYPE_CHECKING:
    from dbkit.selftest.trial import Trial


class NotSurvivedError(Exception):
    """What must be true is not; the text says what was seen."""


class NotRunError(Exception):
    """The fault can't be made here; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the matrix.

    `act` does it and raises NotSurvivedError for what is not as it must be. A `last` one looks at what all others left
    behind; after one that is `forged`, the journal is known not to be true.
    """

    number: int
    title: str
    must: str
    act: Callable[[Trial], None]
    last: bool = False
    forged: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a fault; `seen` is what was seen in place of what must be, or what is missing to run it."""

    number: int
    title: str
    must: str
    state: Literal["survived", "failed", "not run"]
    seen: str
    seconds: float


def fault(number: int, title: str, must: str, *, last: bool = False, forged: bool = False) -> Callable[[Callable[[Trial], None]], Fault]:
    """Make a function a row of the matrix."""
    return lambda act: Fault(number, title, must, act, last, forged)


def load_faults() -> list[Fault]:
    """Return every fault of the folder, by number."""
    folder = Path(__file__).parent / "faults"
    names = sorted(path.stem for path in folder.glob("[a-z]*.py"))
    modules = [import_module(f"dbkit.selftest.faults.{name}") for name in names]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Fault)]
    return sorted(found, key=lambda row: row.number)


def chosen(faults: Sequence[Fault], numbers: Sequence[int]) -> list[Fault]:
    """Return the faults of these numbers, or all where none is given. Raises ConfigurationError for one that is not there."""
    known = {row.number for row in faults}
    for number in numbers:
        if number not in known:
            raise ConfigurationError(f"no fault {number}", hint=f"they are numbered from {min(known)} to {max(known)}")
    return [row for row in faults if not numbers or row.number in numbers]


def expect(found: object, wanted: object, what: str) -> None:
    """Refuse anything but what is wanted."""
    if found != wanted:
        raise NotSurvivedError(f"{what}: {_shown(found)} in place of {_shown(wanted)}")


def expect_in(part: Any, whole: Container[Any], what: str) -> None:
    """Refuse a text or a list that lacks a part."""
    if part not in whole:
        raise NotSurvivedError(f"{what}: no {_shown(part)} in {_shown(whole)}")


def expect_not_in(part: Any, whole: Container[Any], what: str) -> None:
    """Refuse a text or a list that has a part."""
    if part in whole:
        raise NotSurvivedError(f"{what}: {_shown(part)} in {_shown(whole)}")


def _shown(value: object) -> str:
    if isinstance(value, set):
        value = sorted(value, key=str)
    text = repr(value.strip() if isinstance(value, str) else value)
    return text if len(text) <= 400 else f"{text[:400]} …"
