"""kill -9 at random moments: a history of migrations of every kind ends as one does that nobody disturbed."""

from __future__ import annotations

import random
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbkit.errors import DbkitError
from dbkit.postgres.queries import sql
from dbkit.selftest.arena import Arena
from dbkit.selftest.fault import NotSurvivedError
from dbkit.selftest.remains import Remains, remains
from dbkit.selftest.trial import Trial, trial

if TYPE_CHECKING:
    import psycopg

COMMANDS = (("migrate",), ("rollback", "main", "--to", "0005"), ("migrate",))
LANES = 2
AT_START = 0.2  # of the kills come before a run has a session
SHARE = 8  # a moment lies within this part of the time that the history takes if nobody disturbs it


@dataclass
class Kills:
    """What came of it. `landed` counts where the kills met the run."""

    seed: int
    wanted: int
    made: int = 0
    histories: int = 0
    landed: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    guard: threading.Lock = field(default_factory=threading.Lock)


def kill_cycles(arena: Arena, kills: int, seed: int, progress: Callable[[Kills], None]) -> Kills:
    """Kill runs of the history that many times; the seed draws the moments.

    Each killed run is followed by the next, which has to go on by itself. `progress` is told after each kill.
    """
    started = time.monotonic()
    with trial(arena, "straight") as made:
        prepare(made)
        begun = time.monotonic()
        for command in COMMANDS:
            made.run(*command, code=0)
        latest = (time.monotonic() - begun) / SHARE
        straight = remains(made)
    found = Kills(seed, kills)
    lanes = [
        Lane(arena, straight, kills // LANES + (number < kills % LANES), random.Random(f"{seed}/{number}"), found, progress, latest)  # noqa: S311 no secret
        for number in range(LANES)
    ]
    with ThreadPoolExecutor(LANES) as pool:
        list(pool.map(Lane.run, lanes))
    found.seconds = time.monotonic() - started
    return found


def prepare(made: Trial) -> None:
    """Write the history's files; let its commits take their time."""
    shutil.copytree(Path(__file__).parent / "history", made.root, dirs_exist_ok=True)
    made.value(sql("slow_commits"))


@dataclass(slots=True)
class Lane:
    """One history after another, until the kills that are left are used up."""

    arena: Arena
    straight: Remains
    left: int
    moments: random.Random
    found: Kills
    progress: Callable[[Kills], None]
    latest: float

    def run(self) -> None:
        while self.left > 0:
            with trial(self.arena, "history") as made:
                problems = self._history(made)
            with self.found.guard:
                self.found.histories += 1
                self.found.problems += [f"history {self.found.histories}: {problem}" for problem in problems]

    def _history(self, made: Trial) -> list[str]:
        """Go through the commands, killing; say what is not as in a straight run."""
        import psycopg

        try:
            prepare(made)
            with self.arena.connect(made.database) as looker:
                for command in COMMANDS:
                    while self._killed(made, looker, command):
                        pass
            return remains(made).differences(self.straight)
        except (NotSurvivedError, DbkitError, psycopg.Error) as exc:
            return [f"{exc}"]

    def _killed(self, made: Trial, looker: psycopg.Connection[Any], command: tuple[str, ...]) -> bool:
        """Start a run and kill it, if it has not come to its end by then."""
        (since,) = looker.execute("SELECT clock_timestamp()").fetchone() or (None,)
        child = made.start(*command)
        if self.left == 0 or not self._comes_to_its_moment(child, looker, since):
            made.ended(child, code=0)
            return False
        where = _where(looker, since)
        made.kill(child)
        self.left -= 1
        with self.found.guard:
            self.found.made += 1
            self.found.landed[where] += 1
            self.progress(self.found)
        return True

    def _comes_to_its_moment(self, child: subprocess.Popen[str], looker: psycopg.Connection[Any], since: object) -> bool:
        """Wait for the moment at which the run is to be killed; return False where it has ended before."""
        early, moment = self.moments.random() < AT_START, self.moments.random() * self.latest
        if early:
            return _still_runs(child, moment / 2)
        while not looker.execute(sql("where_it_is").encode(), {"since": since}).fetchone()[0]:  # type: ignore[index]
            if not _still_runs(child, 0.01):
                return False
        return _still_runs(child, moment)


def _still_runs(child: subprocess.Popen[str], seconds: float) -> bool:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def _where(looker: psycopg.Connection[Any], since: object) -> str:
    """Say what the run is at, as server and journal show it."""
    sessions, locked, state, query, another = looker.execute(sql("where_it_is").encode(), {"since": since}).fetchone()  # type: ignore[misc]
    if not sessions:
        return "starting"
    if another:
        return "waiting for what the run before it left"
    if not locked:
        return "comparing files and journal"
    if "CONCURRENTLY" in query and state == "active":
        return "in a concurrent statement"
    if query.startswith("COMMIT") and state == "active":
        return "at a COMMIT"
    if _in_a_backfill(looker):
        return "between two chunks of a backfill" if state == "idle" else "in a chunk of a backfill"
    if state in {"", "idle"}:
        return "between two statements"
    return "in the deploy of routines" if "CREATE OR REPLACE" in query or "main.account_balance" in query else "in a transaction"


def _in_a_backfill(looker: psycopg.Connection[Any]) -> bool:
    there = looker.execute("SELECT to_regclass('dbkit.progress') IS NOT NULL").fetchone()
    return bool(there and there[0] and looker.execute("SELECT 1 FROM dbkit.progress").fetchone())
