"""What the shop's benchmarks stand on: a server that keeps what it commits, migrated services, pgbench."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from dbkit.postgres import server as pg
from dbkit.postgres.throwaway import throwaway_server
from dbkit.project.manifest import Environment, find_project
from dbkit.source.templates import render
from dbkit.testing.plugin import Cluster, ServiceDatabase

SCRIPTS = Path(__file__).parent / "scripts"
# what a throw-away server does without is on, as PostgreSQL ships it
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "max_wal_size": "8GB",
    "shared_buffers": "1GB",
    "checkpoint_timeout": "30min",
    "commit_siblings": "0",
}
# microseconds: a cloud's disk, and its network between application and server, beside one's own disk and no network
FLUSH, TRIP = 1000, 500


def audited(name: str) -> bytes:
    """Return scripts/NAME.sql.j2, which gives tables of a benchmark the shop's audit triggers."""
    return render(SCRIPTS / f"{name}.sql.j2", {}, (Path(__file__).parents[2] / "schemas/_shared",)).encode()


@dataclass(frozen=True)
class Load:
    """What pgbench measured: transactions a second, milliseconds of the median and of the 95th percentile, failures."""

    tps: float
    p50: float
    p95: float
    failed: int


@dataclass(frozen=True)
class Shop:
    """A durable server with the shop's services."""

    server: pg.Server
    cluster: Cluster

    @contextmanager
    def service(self, name: str) -> Iterator[ServiceDatabase]:
        """Make a migrated database, and drop it."""
        made = self.cluster.copy(name)
        try:
            yield made
        finally:
            self.cluster.drop(made)

    @contextmanager
    def slower_flush(self) -> Iterator[None]:
        """Let each flush of the WAL take FLUSH longer, as commit_delay does: one waits, those who come meanwhile go with it."""
        with psycopg.connect(self.server.conninfo("postgres"), autocommit=True) as connection:
            try:
                self._settle(connection, f"ALTER SYSTEM SET commit_delay = {FLUSH}")
                yield
            finally:
                self._settle(connection, "ALTER SYSTEM RESET commit_delay")

    def _settle(self, connection: psycopg.Connection[tuple[object, ...]], statement: str) -> None:
        connection.execute(statement.encode())
        connection.execute("SELECT pg_reload_conf()")
        time.sleep(1)

    def pgbench(
        self,
        database: ServiceDatabase,
        script: str,
        *,
        clients: int,
        seconds: int | None = None,
        transactions: int | None = None,
        role: str | None = "app",
        values: Mapping[str, object] | None = None,
    ) -> Load:
        """Run scripts/NAME.sql for that long, or so often by each client, as that role, statements prepared."""
        defined = [f"--define={name}={value}" for name, value in (values or {}).items()]
        with tempfile.TemporaryDirectory() as folder:
            command = [
                self.server.binaries.program("pgbench"),
                "--no-vacuum",
                "--protocol=prepared",
                f"--client={clients}",
                f"--jobs={min(clients, os.cpu_count() or 1)}",
                f"--time={seconds}" if transactions is None else f"--transactions={transactions}",
                "--log",
                f"--log-prefix={folder}/log",
                f"--file={SCRIPTS / script}.sql",
                *defined,
                database.dsn(role),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"pgbench {script}: {done.stderr}")
            lines = [line for log in Path(folder).glob("log.*") for line in log.read_text().splitlines()]
        # client, transaction, microseconds, script, seconds, microseconds
        milliseconds = sorted(int(line.split()[2]) / 1000 for line in lines)
        if len(milliseconds) < 2:
            raise SystemExit(f"pgbench {script}: no transaction ended\n{done.stdout}{done.stderr}")
        parts = statistics.quantiles(milliseconds, n=20)
        tps = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
        failed = re.search(r"^number of failed transactions: (\d+)", done.stdout, re.MULTILINE)
        if not tps:
            raise SystemExit(f"pgbench {script}: {done.stdout}")
        return Load(float(tps[1]), parts[9], parts[18], int(failed[1]) if failed else 0)


@contextmanager
def shop() -> Iterator[Shop]:
    """Start a durable server on a disk; what it holds goes afterwards."""
    with throwaway_server(Environment(), **SETTINGS) as running:
        yield Shop(running, Cluster(find_project(Path(__file__).parents[2]), running))


def commit_milliseconds(database: ServiceDatabase, commits: int = 200) -> float:
    """Return what one durable commit costs: every figure here stands beside it."""
    with psycopg.connect(database.dsn(None), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS public.commit_cost (n int)")
        started = time.monotonic()
        for number in range(commits):
            connection.execute("INSERT INTO public.commit_cost VALUES (%s)", [number])
        spent = time.monotonic() - started
        connection.execute("DROP TABLE public.commit_cost")
    return spent / commits * 1000


def alternate(rounds: int, programs: Mapping[str, Callable[[], Load]]) -> dict[str, list[Load]]:
    """Run every load once a round, one after the other."""
    loads: dict[str, list[Load]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, run in programs.items():
            loads[name].append(run())
    return loads


def ratio(loads: Mapping[str, list[Load]], name: str, baseline: str) -> float:
    """Return the median of the rounds' ratios of transactions a second."""
    return statistics.median(one.tps / other.tps for one, other in zip(loads[name], loads[baseline], strict=True))


def table(title: str, loads: Mapping[str, list[Load]], baseline: str) -> None:
    """Print a line for each load: medians of the rounds, and the ratio to the baseline."""
    print(f"{title:<44}       tps   p50 ms   p95 ms  failed  to {baseline}")
    for name, seen in loads.items():
        tps, p50, p95 = (statistics.median(getattr(load, what) for load in seen) for what in ("tps", "p50", "p95"))
        failed = sum(load.failed for load in seen)
        print(f"  {name:<42} {tps:9.1f} {p50:8.2f} {p95:8.2f} {failed:7d}  {ratio(loads, name, baseline):6.2f}x")
    print()


def at_least(what: str, value: float, bound: float, unit: str = "x") -> None:
    """Print a figure of the specification that must not be lower, with its verdict."""
    print(f"{what}: {value:.2f}{unit}, at least {bound:g}{unit} is wanted: {'holds' if value >= bound else 'DOES NOT HOLD'}")


def at_most(what: str, value: float, bound: float, unit: str) -> None:
    """Print a figure of the specification that must not be higher, with its verdict."""
    print(f"{what}: {value:.2f}{unit}, at most {bound:g}{unit} is wanted: {'holds' if value <= bound else 'DOES NOT HOLD'}")
