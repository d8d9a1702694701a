"""Files of 200 MB and of 100,000 statements: `dbkit migrate` beside psql in one transaction, on one server; time and memory."""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from dbkit.postgres.server import Server
from dbkit.postgres.throwaway import throwaway_server
from dbkit.project.manifest import Environment

HEAD = "CREATE TABLE main.t (id bigint PRIMARY KEY, name text, note text, amount numeric, at timestamptz);\n"


def main() -> None:
    """Print for each file: seconds and peak memory of psql and of dbkit, and the ratio of the seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--statements", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    size, number = options.megabytes * 1_000_000, options.statements
    files = {
        "one statement": lambda: ["SELECT 1;\n"],
        f"{options.megabytes} MB, 1,000 rows an INSERT": lambda: wide(size, 1000),
        f"{options.megabytes} MB, one row an INSERT": lambda: wide(size, 1),
        f"{options.megabytes} MB of COPY data": lambda: copied(size),
        f"{number:,} INSERTs": lambda: wide(number, 1, each=1),
        f"{number:,} ALTERs": lambda: alters(number),
        f"{number:,} ALTERs above 8 MB": lambda: alters(number, padding="-- " + 60 * "." + "\n"),
    }
    with tempfile.TemporaryDirectory() as folder, throwaway_server(Environment()) as server:
        with psycopg.connect(server.conninfo("postgres")) as connection:
            print(f"PostgreSQL {connection.info.server_version // 10000}, {os.cpu_count()} cores, median of {options.rounds} rounds")
        print(f"{'':32} {'psql':>16} {'dbkit':>18} {'ratio':>7}")
        for name, write in files.items():
            print(line(name, measured(Path(folder), server, write, options.rounds)), flush=True)


def line(name: str, rounds: list[tuple[tuple[float, int], tuple[float, int]]]) -> str:
    """Write medians of seconds, largest peaks in MB, and the median of the ratios."""
    psql, ours = ([pair[n] for pair in rounds] for n in (0, 1))
    shown = [f"{statistics.median(s for s, _ in one):8.2f} s {max(peak for _, peak in one):4} MB" for one in (psql, ours)]
    return f"{name:32} {shown[0]} {shown[1]} {statistics.median(o[0] / p[0] for p, o in rounds):7.2f}"


def wide(size: int, rows: int, each: int = 0) -> Iterator[str]:
    """Yield INSERTs of so many rows each, until they are so many bytes, or as many as `size` where each counts as `each`."""
    yield HEAD
    n = written = 0
    while written < size:
        tail = f"'it''s a note; {n * 7919}, with words', {n % 100000}.25, '2026-01-01 00:00:00+00'"
        values = [f"({i}, 'name of {i}', {tail})" for i in range(n, n + rows)]
        text = "INSERT INTO main.t (id, name, note, amount, at) VALUES\n    " + ",\n    ".join(values) + ";\n"
        n, written = n + rows, written + (each or len(text))
        yield text


def copied(size: int) -> Iterator[str]:
    """Yield a COPY with its data."""
    yield HEAD + "COPY main.t FROM stdin;\n"
    n = written = 0
    while written < size:
        text = f"{n}\tname of {n}\tit's a note; {n * 7919}, with words\t{n % 100000}.25\t2026-01-01 00:00:00+00\n"
        n, written = n + 1, written + len(text)
        yield text
    yield "\\.\n"


def alters(number: int, padding: str = "") -> Iterator[str]:
    """Yield ALTERs of 500 tables in turn: of one table alone each costs the server as much as all before it."""
    yield from (f"CREATE TABLE main.t{n} (n integer);\n" for n in range(500))
    yield from (f"{padding}ALTER TABLE main.t{n % 500} ALTER COLUMN n SET STATISTICS {n % 1000};\n" for n in range(number))


def measured(
    folder: Path, server: Server, write: Callable[[], Iterator[str] | list[str]], rounds: int
) -> list[tuple[tuple[float, int], tuple[float, int]]]:
    """Run both, one after the other, each on a database of its own; return seconds and peak memory of each round."""
    migrations = folder / "migrations" / "main"
    migrations.mkdir(parents=True, exist_ok=True)
    (folder / "dbkit.toml").write_text('[project]\nname = "bench"\n[services.main]\nshared = []\n')
    script = migrations / "0001_big.sql"
    with script.open("w") as file:
        file.write("-- irreversible: a measurement\n")
        file.writelines(write())
    found = []
    for _ in range(rounds):
        psql = [str(server.binaries.folder / "psql"), "-qX1o/dev/null", "-v", "ON_ERROR_STOP=1", "-f", str(script)]
        with database(server) as name:
            with psycopg.connect(server.conninfo(name), autocommit=True) as connection:
                connection.execute("CREATE SCHEMA main")
            beside = timed([*psql, server.conninfo(name)])
        with database(server) as name:
            url = f"postgresql:///{name}?host={server.sockets}&user=postgres"
            found.append((beside, timed([sys.executable, "-m", "dbkit", "-q", "--project", str(folder), "migrate", "main", "--url", url])))
    return found


class database:  # noqa: N801 used like a function
    """A database for one run."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def __enter__(self) -> str:
        with psycopg.connect(self.server.conninfo("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE bench")
        return "bench"

    def __exit__(self, *_: object) -> None:
        with psycopg.connect(self.server.conninfo("postgres"), autocommit=True) as connection:
            connection.execute("DROP DATABASE bench WITH (FORCE)")
            connection.execute("CHECKPOINT")


def timed(command: list[str]) -> tuple[float, int]:
    """Run a command; return its wall seconds and its peak memory in MB, as the kernel has it (Linux)."""
    started = time.monotonic()
    peak = 0
    with subprocess.Popen(command) as child:
        while child.poll() is None:
            with contextlib.suppress(OSError, IndexError):
                status = Path(f"/proc/{child.pid}/status").read_text()
                peak = int(status.partition("VmHWM:")[2].split()[0]) // 1024
            time.sleep(0.005)
        if child.returncode:
            raise subprocess.CalledProcessError(child.returncode, command)
    return time.monotonic() - started, peak


if __name__ == "__main__":
    main()
