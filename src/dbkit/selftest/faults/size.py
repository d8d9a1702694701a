"""Files that are large, disks that are full, a lock table that is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbkit.selftest.fault import NotRunError, NotSurvivedError, expect, expect_in, fault
from dbkit.selftest.trial import PATIENCE, Trial
from dbkit.selftest.trial import trial as another_trial

MEGABYTE = 1 << 20
LIMIT = 400 * MEGABYTE  # that a run may need, whatever the size of its files


@fault(42, "a file of 60 MB, one of 100,000 statements, a literal of 20 MB", "they go in whole, and memory stays flat")
def huge(trial: Trial) -> None:
    line = "INSERT INTO main.a VALUES (1, '" + "x" * 560 + "');\n"
    trial.migration("0001_a", f"CREATE TABLE main.a (i integer, t text);\n{line * 100_000}")
    trial.migration("0002_b", f"CREATE TABLE main.b AS SELECT '{'y' * (20 * MEGABYTE)}'::text AS t;\n")
    peak, text, code = _measured(trial)
    expect(code, 0, f"the exit code ({text[-300:]})")
    expect(trial.value("SELECT count(*) FROM main.a"), 100_000, "rows")
    expect(trial.value("SELECT length(t) FROM main.b"), 20 * MEGABYTE, "the length of the literal")
    if peak > LIMIT:
        raise NotSurvivedError(f"the run needed {peak // MEGABYTE} MB of memory")


def _measured(trial: Trial) -> tuple[int, str, int]:
    """Run migrate below a process of its own that says how much memory it needed at most."""
    program = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run([sys.executable, '-m', 'dbkit', 'migrate'], stdin=subprocess.DEVNULL, capture_output=True, text=True)\n"
        "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
        "print(done.returncode, peak * (1 if sys.platform == 'darwin' else 1024), (done.stdout + done.stderr)[-600:], sep='\\n')\n"
    )
    command = [sys.executable, "-c", program]
    child = subprocess.Popen(command, cwd=trial.root, env=trial.environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        code, peak, text = child.communicate(timeout=PATIENCE * 3)[0].split("\n", 2)
    except subprocess.TimeoutExpired as exc:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise NotSurvivedError(f"the run had not ended after {PATIENCE * 3:.0f} s") from exc
    trial.arena.said.append(text)
    return int(peak), text, int(code)


@fault(43, "the disk is full; the lock table is full", "the migration is rolled back as a whole, says so, and goes in once there is room")
def no_room(trial: Trial) -> None:
    few = {"max_locks_per_transaction": "10", "max_connections": "12", "max_prepared_transactions": "0"}
    with trial.arena.another(**few) as arena, another_trial(arena, "locks") as here:
        many = "".join(f"CREATE TABLE main.t{number} ();\n" for number in range(2000))
        _fails_then_goes_in(here, many, "53200")
    with small_file_system(trial) as folder, trial.arena.connect("postgres") as connection:
        space = f"{trial.database}_small"
        connection.execute(f"CREATE TABLESPACE {space} LOCATION '{folder}'".encode())
        connection.execute(f"GRANT CREATE ON TABLESPACE {space} TO PUBLIC".encode())
        with another_trial(trial.arena, "disk") as here:
            here.value(f'ALTER DATABASE "{here.database}" SET default_tablespace = {space}')
            large = "CREATE TABLE main.t0 AS SELECT repeat(md5(i::text), 30) AS t FROM generate_series(1, 200000) AS i;\n"
            _fails_then_goes_in(here, large, "53100")
        connection.execute(f"DROP TABLESPACE {space}".encode())


@contextmanager
def small_file_system(trial: Trial) -> Iterator[Path]:
    """Mount a file system of 30 MB that belongs to the server's account, beside the server's data."""
    server = trial.arena.own()
    folder = server.data.with_name(f"{trial.database}-small")
    server.account.own(folder)
    command = ["mount", "-t", "tmpfs", "-o", "size=30m,mode=700", "dbkit-selftest", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        raise NotRunError("a small file system to fill: needs root, who may mount one")
    try:
        server.account.own(folder)
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


def _fails_then_goes_in(trial: Trial, text: str, sqlstate: str) -> None:
    trial.table("0001_a")
    trial.migration("0002_b", text)
    expect_in(f"SQLSTATE {sqlstate}", trial.run("migrate", code=1).text, "what is said")
    expect((trial.tables(), trial.applied()), ({"a"}, ["0001_a"]), "tables and marks after the failure")
    expect(trial.states()["0002_b"], "failed", "what status says")
    trial.migration("0002_b", "CREATE TABLE main.b ();")
    trial.run("migrate", code=0)
    expect(trial.tables(), {"a", "b"}, "tables once there is room")
    trial.agree()
