"""Work over many databases at once; the schemas of one database are done one after another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from dbkit.postgres.connect import Database

R = TypeVar("R")


@dataclass(slots=True)
class Halt:
    """Says that nothing more is to begin, and what is under way is to end; `exit_code` is the interrupt's."""

    event: threading.Event = field(default_factory=threading.Event)
    exit_code: int = 130


def over(
    databases: Sequence[Database],
    work: Callable[[Database], R],
    told: Callable[[R], None],
    *,
    jobs: int,
    halt: Halt,
    enough: Callable[[], bool] = lambda: False,
) -> list[R | None]:
    """Do the work for each database, `jobs` at a time; return the results in the order of the databases.

    Nothing more begins once `enough` says so, or after an interrupt, which is handed to the runs by `halt`: what was not
    begun is None. `told` hears each result, never two at once. The work itself raises nothing.
    """
    results: list[R | None] = [None] * len(databases)
    lanes: dict[str, list[int]] = {}
    for index, database in enumerate(databases):
        lanes.setdefault(database.conninfo(), []).append(index)
    one_at_a_time = threading.Lock()

    def along(lane: list[int]) -> None:
        for index in lane:
            if halt.event.is_set() or enough():
                return
            result = results[index] = work(databases[index])
            with one_at_a_time:
                told(result)

    begun: list[Future[None]] = []
    with ThreadPoolExecutor(jobs) as pool:  # whose end waits for what is under way
        try:
            begun += [pool.submit(along, lane) for lane in lanes.values()]
            wait(begun)
        except KeyboardInterrupt as exc:
            halt.exit_code = getattr(exc, "exit_code", halt.exit_code)
            halt.event.set()
    for future in begun:
        future.result()
    return results
