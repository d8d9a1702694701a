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
LATEST = 0.8  # seconds after that


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
        straight = _undisturbed(made)
    found = Kills(seed, kills)
    shares = [kills // LANES + (lane < kills % LANES) for lane in range(LANES)]
    with ThreadPoolExecutor(LANES) as pool:
        lanes = [
            pool.submit(_lane, arena, straight, share, random.Random(f"{seed}/{lane}"), found, progress)  # noqa: S311 no secret
            for lane, share in enumerate(shares)
        ]
        for lane in lanes:
            lane.result()
    found.seconds = time.monotonic() - started
    return found


def _undisturbed(made: Trial) -> Remains:
    _prepare(made)
    for command in COMMANDS:
        made.run(*command, code=0)
    return remains(made)


def _prepare(made: Trial) -> None:
    shutil.copytree(Path(__file__).parent / "history", made.root, dirs_exist_ok=True)
    made.value(sql("slow_commits"))


def _lane(arena: Arena, straight: Remains, kills: int, moments: random.Random, found: Kills, progress: Callable[[Kills], None]) -> None:
    """Run one history after another until this lane's kills are used up."""
    import psycopg

    history = 0
    while kills > 0:
        history += 1
        before = kills
        with trial(arena, "history") as made:
            try:
                _prepare(made)
                kills = _disturbed(made, kills, moments, found, progress)
                problems = remains(made).differences(straight)
            except (NotSurvivedError, DbkitError, psycopg.Error) as exc:
                problems = [f"{exc}"]
                kills = min(kills, before - 1)
        with found.guard:
            found.histories += 1
            found.problems += [f"history {found.histories}: {problem}" for problem in problems]


def _disturbed(made: Trial, kills: int, moments: random.Random, found: Kills, progress: Callable[[Kills], None]) -> int:
    """Go through the commands, killing; return how many kills are left."""
    with made.arena.connect(made.database) as looker:
        for command in COMMANDS:
            while True:
                (since,) = looker.execute("SELECT clock_timestamp()").fetchone() or (None,)
                child = made.start(*command)
                if kills == 0 or not _comes_to_its_moment(child, looker, since, moments):
                    made.ended(child, code=0)
                    break
                where = _where(looker, since)
                made.kill(child)
                kills -= 1
                with found.guard:
                    found.made += 1
                    found.landed[where] += 1
                    progress(found)
    return kills


def _comes_to_its_moment(child: subprocess.Popen[str], looker: psycopg.Connection[Any], since: object, moments: random.Random) -> bool:
    """Wait for the moment at which the run is to be killed; return False where it has ended before."""
    early, moment = moments.random() < AT_START, moments.random()
    if early:
        return _still_runs(child, moment * 0.4)
    while not looker.execute(sql("where_it_is").encode(), {"since": since}).fetchone()[0]:  # type: ignore[index]
        if not _still_runs(child, 0.01):
            return False
    return _still_runs(child, moment * LATEST)


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
