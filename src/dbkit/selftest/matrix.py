"""Running the matrix: two faults at a time, each in a database of its own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from dbkit.errors import DbkitError
from dbkit.selftest.arena import Arena
from dbkit.selftest.fault import Fault, NotRunError, NotSurvivedError, Verdict
from dbkit.selftest.trial import trial

JOBS = 2


def run_faults(arena: Arena, faults: Sequence[Fault]) -> Iterator[Verdict]:
    """Yield what came of each fault, in their order; those that look at what the others left come after them."""
    early = [fault for fault in faults if not fault.last]
    with ThreadPoolExecutor(JOBS) as pool:
        yield from pool.map(lambda fault: run_fault(arena, fault), early)
    for fault in faults:
        if fault.last:
            yield run_fault(arena, fault)


def run_fault(arena: Arena, fault: Fault) -> Verdict:
    """Make the fault and look; whatever goes wrong on the way counts as not survived."""
    import psycopg

    started = time.monotonic()

    def verdict(state: str, seen: str = "") -> Verdict:
        return Verdict(fault.number, fault.title, fault.must, state, seen, time.monotonic() - started)  # type: ignore[arg-type]

    try:
        with trial(arena, str(fault.number)) as made:
            fault.act(made)
            if not fault.forged:
                made.agree()
    except NotRunError as exc:
        return verdict("not run", str(exc))
    except NotSurvivedError as exc:
        return verdict("failed", str(exc))
    except (psycopg.Error, DbkitError, subprocess.SubprocessError, OSError, LookupError, ValueError) as exc:
        return verdict("failed", f"{type(exc).__name__}: {exc}")
    return verdict("survived")
