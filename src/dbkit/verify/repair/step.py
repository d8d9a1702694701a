"""One statement of a repair, and what the statements of a kind need to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from dbkit.postgres.catalog import Catalog
from dbkit.postgres.objects import Object


class When(IntEnum):
    """Where in the script a statement stands."""

    BEFORE = 0  # ahead of the transaction
    SESSION = 1  # in it, as whoever runs the script: what gives objects back to their owner
    WORK = 2  # as the owner
    CLOSING = 3  # when everything is there
    AFTERWARDS = 4  # as whoever runs the script


@dataclass(frozen=True, slots=True)
class Step:
    """A statement without its semicolon. `loses` says which data it takes away; `by_hand` that there is no statement, and why."""

    sql: str = ""
    loses: str = ""
    when: When = When.WORK
    by_hand: str = ""


@dataclass(frozen=True, slots=True)
class Sides:
    """Both catalogs, and the service's owner: what it creates belongs to it."""

    expected: Catalog
    found: Catalog
    owner: str


Create = Callable[[Object, Sides], list[Step]]
# None stands for: drop it and make it again
Alter = Callable[[Object, Object, str, Sides], list[Step] | None]
