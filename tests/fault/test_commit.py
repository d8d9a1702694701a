"""An end that comes while the server commits: what became of the commit is asked, not guessed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dbkit.postgres.journal import Run
from scratch import Scratch, until

WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = current_database()"


@pytest.fixture
def slow_to_commit(scratch: Scratch) -> Iterator[Scratch]:
    """A commit of this database waits for a standby that is not there; the rows are in all the same."""
    scratch.migration("0001_a", "CREATE TABLE main.a ();", "DROP TABLE main.a;")
    scratch.migrate()
    scratch.migration("0002_b", "CREATE TABLE main.b ();", "DROP TABLE main.b;")
    with scratch.connect() as connection:
        connection.execute(f'ALTER DATABASE "{scratch.database_name("main")}" SET synchronous_commit = on'.encode())
        standby(scratch, "nobody")
    yield scratch
    standby(scratch, "")


def standby(scratch: Scratch, name: str) -> None:
    """Name the standby for which commits wait; the other databases of the worker's server commit asynchronously."""
    with scratch.connect(options="-c synchronous_commit=off") as connection:
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'".encode())
        connection.execute("SELECT pg_reload_conf()")
        until(lambda: connection.execute("SHOW synchronous_standby_names").fetchone() == (name,))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_after_the_commit_leaves_it_applied(slow_to_commit: Scratch, number: signal.Signals, code: int) -> None:
    child = slow_to_commit.start("migrate")
    until(lambda: slow_to_commit.column(WAITING))

    child.send_signal(number)
    until(lambda: child.poll() is not None or slow_to_commit.column(WAITING))
    standby(slow_to_commit, "")
    _, err = child.communicate(timeout=60)

    assert child.returncode == code, err
    assert "main/0002_b is applied" in err
    assert slow_to_commit.tables() == {"a", "b"}
    assert slow_to_commit.states() == {"0001_a": "applied", "0002_b": "applied"}
    assert slow_to_commit.migrate().is_empty


def test_an_interrupt_after_the_commit_of_a_rollback_leaves_it_rolled_back(slow_to_commit: Scratch) -> None:
    child = slow_to_commit.start("rollback", "main")
    until(lambda: slow_to_commit.column(WAITING))

    child.send_signal(signal.SIGINT)
    until(lambda: child.poll() is not None or slow_to_commit.column(WAITING))
    standby(slow_to_commit, "")
    _, err = child.communicate(timeout=60)

    assert child.returncode == 130, err
    assert "main/0001_a is rolled back" in err
    assert slow_to_commit.tables() == set()
    assert slow_to_commit.states() == {"0001_a": "pending", "0002_b": "pending"}
    assert slow_to_commit.events()[-1] == ("rolled back", "0001_a")


def test_a_connection_that_is_cut_after_the_commit_is_opened_again_and_nothing_is_done_twice(slow_to_commit: Scratch) -> None:
    child = slow_to_commit.start("migrate")
    (backend,) = until(lambda: slow_to_commit.column(WAITING))

    slow_to_commit.value("SELECT pg_terminate_backend(%s, 10000)", backend)
    until(lambda: child.poll() is not None or slow_to_commit.column(WAITING))
    standby(slow_to_commit, "")
    _, err = child.communicate(timeout=60)

    assert child.returncode == 0, err
    assert slow_to_commit.events() == [("applied", "0001_a"), ("applied", "0002_b")]
    assert slow_to_commit.tables() == {"a", "b"}
    assert slow_to_commit.states() == {"0001_a": "applied", "0002_b": "applied"}
    assert slow_to_commit.migrate().is_empty


def test_a_restart_in_the_middle_names_the_migration_and_the_next_run_finishes(scratch: Scratch) -> None:
    """Both connections go at once, as when a server restarts."""
    scratch.migration("0001_a", "CREATE TABLE main.a ();\nSELECT pg_sleep(60);", "DROP TABLE main.a;")
    child = scratch.start("migrate")
    until(lambda: scratch.column("SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"))

    ours = "application_name LIKE 'dbkit%' AND datname = current_database() AND pid <> pg_backend_pid()"
    # the one that executes goes last: it would be opened again before the others have gone
    gone = f"SELECT pid FROM pg_stat_activity WHERE {ours} ORDER BY query LIKE '%pg_sleep%'"
    scratch.column(f"SELECT pg_terminate_backend(pid, 10000) FROM ({gone}) AS ours")
    _, err = child.communicate(timeout=60)

    assert child.returncode == 1, err
    assert "both connections of the run are gone" in err
    assert "0001_a.sql" in err
    assert scratch.states() == {"0001_a": "failed"}
    scratch.migration("0001_a", "CREATE TABLE main.a ();", "DROP TABLE main.a;")
    scratch.migrate()
    assert scratch.tables() == {"a"}


def test_nothing_is_written_while_a_commit_that_nobody_hears_from_may_still_end(slow_to_commit: Scratch) -> None:
    """Its backend has the key: `failed` before its `applied` would break the chain, and a later run would begin again."""
    from dbkit.migrate.engine import record_end

    child = slow_to_commit.start("migrate")
    until(lambda: slow_to_commit.column(WAITING))
    database = slow_to_commit.database("main")
    gone = database.connect("gone")
    gone.close()
    work: Any = SimpleNamespace(database=database, connection=gone, run=Run("here", None))

    assert not record_end(work, "main/0002_b", "failed", None)
    standby(slow_to_commit, "")
    child.communicate(timeout=60)

    assert slow_to_commit.events() == [("applied", "0001_a"), ("applied", "0002_b")]
