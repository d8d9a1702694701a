"""A thousand small migrations: applying them, a run with nothing to do, status"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import measure
import peers
from measure import Sample
from peers import Command

from dbkit.postgres.server import Server


def main() -> None:
    """Apply the migrations with each program, run it again, ask it for its state."""
    options = measure.options(__doc__, rounds=3, files=1000)
    with tempfile.TemporaryDirectory() as folder, measure.server() as server:
        root = Path(folder)
        peers.write_projects(root, migrations(options.files))
        programs = peers.programs()
        applied = measure.alternate(options.rounds, {p.name: partial(apply, root, server, p.apply, p.name) for p in programs})
        again = measure.alternate(options.rounds, {p.name: run(p.apply(root, server, f"{p.name}_0")) for p in programs if p.name != "psql"})
        status = measure.alternate(options.rounds, {p.name: run(p.status(root, server, f"{p.name}_0")) for p in programs if p.status})
    measure.table(f"apply {options.files}", applied, "bare")
    measure.table(f"nothing to do, {options.files} applied", again, "bare")
    measure.table(f"status, {options.files} applied", status, "dbkit")
    measure.limit(f"{options.files} small migrations, wall, dbkit to bare", measure.ratio(applied, "dbkit", "bare"), 1.25)
    measure.limit(f"status with {options.files} applied, CPU", measure.median(status, "dbkit", "cpu"), 0.25, " s")


def migrations(files: int) -> dict[str, tuple[str, str]]:
    return {
        f"{number:05}_t": (f"CREATE TABLE t{number} (id bigint PRIMARY KEY, note text NOT NULL DEFAULT '');\n", f"DROP TABLE t{number};\n")
        for number in range(1, files + 1)
    }


def apply(root: Path, server: Server, command: Command, name: str, number: int) -> Sample:
    """Apply to an empty database."""
    return measure.timed(command(root, server, measure.database(server, f"{name}_{number}")))


def run(command: list[str]) -> Callable[[int], Sample]:
    return lambda _number: measure.timed(command)


if __name__ == "__main__":
    main()
