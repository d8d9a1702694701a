"""Many databases: dbkit over a fleet beside dbmate, a run a database, and beside bare psycopg in one process, on one server.

First 50 empty databases with 20 migrations each, then as many copies of one of them as asked for.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import peers
import psycopg

from dbkit.postgres.roles import prepare_cluster
from dbkit.postgres.server import Server
from dbkit.postgres.throwaway import throwaway_server
from dbkit.project.manifest import Environment, find_project

FILES, FEW = 20, 50
BARE = """
import hashlib, pathlib, sys
import psycopg
files = [(p.stem, p.read_bytes()) for p in sorted(pathlib.Path(sys.argv[1]).glob("*.sql")) if ".rollback" not in p.name]
for conninfo in pathlib.Path(sys.argv[2]).read_text().splitlines():
    with psycopg.connect(conninfo, autocommit=True) as c:
        c.execute("CREATE TABLE IF NOT EXISTS ledger (name text PRIMARY KEY, hash text NOT NULL, at timestamptz DEFAULT now())")
        done = {row[0] for row in c.execute("SELECT name FROM ledger").fetchall()}
        for name, text in files:
            if name not in done:
                with c.transaction():
                    c.execute(text)
                    c.execute("INSERT INTO ledger (name, hash) VALUES (%s, %s)", [name, hashlib.sha256(text).hexdigest()])
"""


@dataclass(frozen=True)
class Cost:
    """What processes took: seconds of wall and of their own CPU time, and the largest one's memory in MB."""

    wall: float
    cpu: float
    memory: float


def main() -> None:
    """Print a line a measurement, each with its ratio to dbmate's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--databases", type=int, default=1000)
    options = parser.parse_args()
    dbmate = peers.dbmate_program()
    if not dbmate:
        sys.exit("dbmate is needed: npm brings it")
    with tempfile.TemporaryDirectory() as folder, throwaway_server(Environment()) as server:
        bench = Bench(Path(folder), server, dbmate)
        bench.prepare()
        few = [f"few_{number}" for number in range(FEW)]
        many = [f"many_{number}" for number in range(options.databases)]
        print(f"{os.cpu_count()} cores; seconds wall (client CPU), wall (CPU) as a part of dbmate's, largest process")
        bench.make(few, "template0")
        bench.compare(f"{FEW} databases, {FILES} migrations each", few)
        bench.make(many, few[0])
        bench.compare(f"{len(many)} databases, nothing to do", many, "status")
        bench.write(FILES + 1)
        bench.compare(f"{len(many)} databases, one migration each", many)
        tenth = many[: len(many) // 10]
        print(f"{len(tenth)} databases, nothing to do\n  dbkit          {bench.dbkit(tenth, 'migrate').memory:60.0f} MB")


@dataclass(frozen=True)
class Bench:
    """One server, on whose databases all three programs work side by side, each with tables of its own."""

    root: Path
    server: Server
    program: str

    def prepare(self) -> None:
        """Write the project and the migrations, and make the roles."""
        for folder in ("migrations/main", "dbmate", "bare"):
            (self.root / folder).mkdir(parents=True)
        for number in range(1, FILES + 1):
            self.write(number)
        self._manifest([])
        prepare_cluster(self.server.conninfo("postgres"), find_project(self.root), ["main"])

    def write(self, number: int) -> None:
        """Write a migration in each layout."""
        columns = "(id bigint PRIMARY KEY, note text NOT NULL DEFAULT '')"
        (self.root / f"migrations/main/{number:04}_t.sql").write_text(f"CREATE TABLE main.t{number} {columns};\n")
        (self.root / f"migrations/main/{number:04}_t.rollback.sql").write_text(f"DROP TABLE main.t{number};\n")
        text = f"-- migrate:up\nCREATE TABLE d{number} {columns};\n-- migrate:down\nDROP TABLE d{number};\n"
        (self.root / f"dbmate/{number:014}_t.sql").write_text(text)
        (self.root / f"bare/{number:04}_t.sql").write_text(f"CREATE TABLE b{number} {columns};\n")

    def make(self, names: list[str], template: str) -> None:
        """Make databases, copies of a template."""
        with psycopg.connect(self.server.conninfo("postgres"), autocommit=True) as connection:
            for name in names:
                connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER bench_main_owner STRATEGY file_copy".encode())

    def compare(self, what: str, names: list[str], *more: str) -> None:
        """Let each program bring the databases up to its files; then ours do `more`."""
        print(what)
        baseline = self.dbmate(names)
        costs = {"dbmate": baseline, "bare psycopg": self.bare(names), "dbkit": self.dbkit(names, "migrate")}
        costs |= {f"dbkit {command}": self.dbkit(names, command) for command in more}
        for name, cost in costs.items():
            ratio = f"{cost.wall / baseline.wall:5.2f}x ({cost.cpu / baseline.cpu:5.2f}x)"
            print(f"  {name:14} {cost.wall:8.2f} ({cost.cpu:6.2f})  {ratio}  {cost.memory:6.0f} MB", flush=True)

    def dbmate(self, names: list[str]) -> Cost:
        """Run it once a database."""
        options = ["--migrations-dir", str(self.root / "dbmate"), "--no-dump-schema", "migrate"]
        urls = [f"postgres://postgres@/{name}?socket={self.server.sockets}&sslmode=disable" for name in names]
        costs = [run([self.program, "--url", url, *options]) for url in urls]
        return Cost(sum(cost.wall for cost in costs), sum(cost.cpu for cost in costs), max(cost.memory for cost in costs))

    def bare(self, names: list[str]) -> Cost:
        """Run the baseline once over all."""
        (self.root / "listed").write_text("".join(f"{self.server.conninfo(name)}\n" for name in names))
        return run([sys.executable, "-c", BARE, str(self.root / "bare"), str(self.root / "listed")])

    def dbkit(self, names: list[str], command: str) -> Cost:
        """Run ours once over all."""
        self._manifest(names)
        return run([sys.executable, "-m", "dbkit", "-q", "--project", str(self.root), command])

    def _manifest(self, names: list[str]) -> None:
        urls = [f"postgresql:///{name}?host={self.server.sockets}&user=bench_main_migrator" for name in names]
        fleet = f"[environments.here.services.main]\ntargets = {{ urls = {urls} }}\n" if urls else ""
        text = '[project]\nname = "bench"\ndefault_environment = "here"\n[services.main]\nshared = []\n[environments.here]\n'
        (self.root / "dbkit.toml").write_text(text + fleet)


def run(command: list[str]) -> Cost:
    """Run a program to its end; it must end well."""
    started = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert child.stderr is not None
    said = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, said
    return Cost(time.monotonic() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
