"""Many small migrations: dbkit beside bare psycopg with a ledger, and yoyo, as whole processes on one server."""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from dbkit.postgres.server import Server
from dbkit.postgres.throwaway import throwaway_server
from dbkit.project.manifest import Environment

BARE = """
import hashlib, pathlib, sys
import psycopg
with psycopg.connect(sys.argv[1], autocommit=True) as c:
    c.execute("CREATE TABLE IF NOT EXISTS ledger (name text PRIMARY KEY, hash text NOT NULL, at timestamptz DEFAULT now())")
    done = {row[0] for row in c.execute("SELECT name FROM ledger").fetchall()}
    for path in sorted(pathlib.Path(sys.argv[2]).glob("*.sql")):
        if path.stem in done or ".rollback" in path.name:
            continue
        text = path.read_bytes()
        with c.transaction():
            c.execute(text)
            c.execute("INSERT INTO ledger (name, hash) VALUES (%s, %s)", [path.stem, hashlib.sha256(text).hexdigest()])
"""


def main() -> None:
    """Print a line for each program: seconds to apply all, seconds for a run with nothing to do, ratios to bare psycopg."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, throwaway_server(Environment()) as server:
        root = Path(folder)
        write_project(root, options.files)
        programs = {"bare psycopg": bare, "dbkit": dbkit, "yoyo": yoyo}
        first: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
        again: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
        for number in range(options.rounds):
            for name, command in programs.items():
                database = f"bench_{number}_{name.replace(' ', '_')}"
                with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
                    connection.execute(f'CREATE DATABASE "{database}"'.encode())
                first[name].append(timed(command(root, server, database)))
                again[name].append(timed(command(root, server, database)))
        with psycopg.connect(server.conninfo("postgres")) as connection:
            print(
                f"{options.files} small migrations, PostgreSQL {connection.info.server_version // 10000}, {os.cpu_count()} cores, ", end=""
            )
            print(f"median of {options.rounds}; seconds wall (client CPU), ratio to bare psycopg")
        for name in programs:
            print(f"{name:14} apply {shown(first, name)}   nothing to do {shown(again, name)}")


def shown(measured: dict[str, list[tuple[float, float]]], name: str) -> str:
    """Write median wall and CPU seconds and the median ratio of the rounds."""
    wall, cpu = (statistics.median(pair[n] for pair in measured[name]) for n in (0, 1))
    ratio = statistics.median(a[0] / b[0] for a, b in zip(measured[name], measured["bare psycopg"], strict=True))
    return f"{wall:6.2f} ({cpu:5.2f})  {ratio:5.2f}x"


def write_project(root: Path, files: int) -> None:
    """Write the migrations once, in the layout that all three read."""
    folder = root / "migrations" / "main"
    folder.mkdir(parents=True)
    (root / "dbkit.toml").write_text('[project]\nname = "bench"\n[services.main]\nshared = []\n')
    for number in range(1, files + 1):
        (folder / f"{number:04}_t.sql").write_text(f"CREATE TABLE t{number} (id bigint PRIMARY KEY, note text NOT NULL DEFAULT '');\n")
        (folder / f"{number:04}_t.rollback.sql").write_text(f"DROP TABLE t{number};\n")


def bare(root: Path, server: Server, database: str) -> list[str]:
    """Return the baseline's command."""
    return [sys.executable, "-c", BARE, server.conninfo(database), str(root / "migrations" / "main")]


def dbkit(root: Path, server: Server, database: str) -> list[str]:
    """Return ours."""
    url = f"postgresql:///{database}?host={server.sockets}&user=postgres"
    return [sys.executable, "-m", "dbkit", "-q", "--project", str(root), "migrate", "main", "--url", url]


def yoyo(root: Path, server: Server, database: str) -> list[str]:
    """Return yoyo's."""
    url = f"postgresql+psycopg:///{database}?host={server.sockets}&user=postgres"
    program = str(Path(sys.executable).with_name("yoyo"))
    return [program, "apply", "--batch", "--no-config-file", "--database", url, str(root / "migrations" / "main")]


def timed(command: list[str]) -> tuple[float, float]:
    """Run a command and return its wall and CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
