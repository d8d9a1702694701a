"""What every benchmark here does: run whole processes in alternating rounds, and print each figure beside its baseline."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from dbkit.postgres import server as pg
from dbkit.postgres.throwaway import FAST
from dbkit.project.manifest import Environment
from dbkit.project.state import server_account


@dataclass(frozen=True)
class Sample:
    """What a process cost: seconds of wall time, seconds of CPU in the client, megabytes of memory at its peak."""

    wall: float
    cpu: float
    peak: float


Samples = dict[str, list[Sample]]


def options(description: str | None, rounds: int, **sizes: int) -> argparse.Namespace:
    """Read --rounds and the sizes from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds)
    for name, size in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    return parser.parse_args()


def timed(*commands: Sequence[str], environment: Mapping[str, str] | None = None) -> Sample:
    """Run commands one after the other and return what they cost together.

    The peak is that of the largest, but never below what this process has itself: a child begins as a copy of it.
    """
    # installed programs have their bytecode
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    cpu = peak = 0.0
    started = time.monotonic()
    for command in commands:
        with tempfile.TemporaryFile() as errors:
            child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=inherited | dict(environment or {}))
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode:
                errors.seek(0)
                raise SystemExit(f"{' '.join(command)}\nended with exit code {child.returncode}: {errors.read().decode()}")
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss / 1024)
    return Sample(time.monotonic() - started, cpu, peak)


def alternate(rounds: int, programs: Mapping[str, Callable[[int], Sample]]) -> Samples:
    """Run every program once a round; each is given the number of the round."""
    samples: Samples = {name: [] for name in programs}
    for number in range(rounds):
        for name, run in programs.items():
            samples[name].append(run(number))
    return samples


def ratio(samples: Samples, name: str, baseline: str, what: str = "wall") -> float:
    """Return the median of the rounds' ratios: both sides of each were measured in the same minute."""
    pairs = zip(samples[name], samples[baseline], strict=True)
    return statistics.median(getattr(one, what) / getattr(other, what) for one, other in pairs)


def median(samples: Samples, name: str, what: str) -> float:
    return statistics.median(getattr(sample, what) for sample in samples[name])


def table(title: str, samples: Samples, baseline: str) -> None:
    """Print a line for each program: median wall and client CPU seconds, and the ratios to the baseline."""
    print(f"{title:<36}  wall s   CPU s   wall, CPU to {baseline}")
    for name in samples:
        wall, cpu = (median(samples, name, what) for what in ("wall", "cpu"))
        ratios = (ratio(samples, name, baseline, what) for what in ("wall", "cpu"))
        print(f"  {name:<34}  {wall:6.3f}  {cpu:6.3f}  {'  '.join(f'{value:6.2f}x' for value in ratios)}")
    print()


def limit(what: str, value: float, bound: float, unit: str = "x") -> None:
    """Print a figure of the specification with its verdict."""
    verdict = "holds" if value <= bound else "DOES NOT HOLD"
    print(f"{what}: {value:.2f}{unit}, at most {bound:g}{unit} is wanted: {verdict}")


@contextmanager
def server() -> Iterator[pg.Server]:
    """Start a throw-away server, in memory where there is a file system for that: no disk hides what a program costs.

    On a disk the making of files alone, of which a table is three, varies more than all programs differ.
    """
    account, settings = server_account(), Environment()
    memory = Path("/dev/shm")
    home = Path(tempfile.mkdtemp(prefix="dbkit-bench-", dir=memory if memory.is_dir() and os.access(memory, os.W_OK) else None))
    account.own(home)
    running = pg.Server(
        binaries=pg.find_binaries(settings.postgres, settings.postgres_bin, account),
        data=home / "data",
        sockets=home / "s",
        account=account,
        settings=(*FAST, ("max_wal_size", "1GB")),
    )
    try:
        pg.start(running)
        yield running
    finally:
        pg.stop(running, "immediate")
        shutil.rmtree(home, ignore_errors=True)


def database(running: pg.Server, name: str) -> str:
    """Make an empty database and return its name."""
    with psycopg.connect(running.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return name
