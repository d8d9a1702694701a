"""Locks that others hold, and others that wait for ours."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from dbkit.errors import DbkitError
from scratch import Scratch, until

if TYPE_CHECKING:
    import psycopg

    from dbkit.migrate.engine import Event

HELD = "SELECT 1 FROM pg_locks WHERE relation = 'main.a'::regclass AND granted AND mode = 'AccessExclusiveLock'"


@pytest.fixture
def busy(scratch: Scratch) -> Scratch:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);", "DROP TABLE main.a;")
    scratch.migrate()
    scratch.migration("0002_b", "ALTER TABLE main.a ADD j integer;", "ALTER TABLE main.a DROP j;")
    return scratch


def policy(scratch: Scratch, **settings: Any) -> None:
    lines = "\n".join(f"{key} = {value!r}".replace("'", '"') for key, value in settings.items())
    scratch.describe(more=f"[migrate]\n{lines}\n")


def in_background(scratch: Scratch, events: list[Event]) -> threading.Thread:
    thread = threading.Thread(target=lambda: scratch.migrate(events=events))
    thread.start()
    return thread


def failing_in_background(scratch: Scratch, events: list[Event]) -> tuple[threading.Thread, list[DbkitError]]:
    """Start a run that is to fail; its error stands in the list when the thread has ended."""
    caught: list[DbkitError] = []

    def run() -> None:
        try:
            scratch.migrate(events=events)
        except DbkitError as exc:
            caught.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, caught


def test_a_lock_that_comes_late_is_tried_for_again(busy: Scratch) -> None:
    policy(busy, lock_timeout="100ms")
    events: list[Event] = []
    with busy.connect(application_name="reporting") as other:
        other.execute("BEGIN; LOCK TABLE main.a IN ACCESS SHARE MODE")
        thread = in_background(busy, events)
        until(lambda: [event for event in events if event.kind == "retrying"])
        other.execute("COMMIT")
        thread.join(30)

    assert busy.states() == {"0001_a": "applied", "0002_b": "applied"}
    assert busy.events() == [("applied", "0001_a"), ("applied", "0002_b")]


def test_giving_up_names_who_was_in_the_way_and_what_it_ran(busy: Scratch) -> None:
    policy(busy, lock_timeout="400ms", retries=1)
    with busy.connect(application_name="reporting") as other:
        other.execute("BEGIN")
        other.execute("LOCK TABLE main.a IN ACCESS SHARE MODE")

        with pytest.raises(DbkitError) as caught:
            busy.migrate()

        pid = other.info.backend_pid

    assert caught.value.sqlstate == "55P03"
    assert "given up after 2 attempts" in caught.value.message
    assert f"in the way: pid {pid} (reporting" in caught.value.message
    assert busy.states()["0002_b"] == "failed"


def test_a_deadlock_is_tried_again(busy: Scratch) -> None:
    busy.migration(
        "0002_b",
        "LOCK TABLE main.a;\nSELECT pg_sleep(0.3);\nLOCK TABLE main.b;\nALTER TABLE main.a ADD j integer;",
        "ALTER TABLE main.a DROP j;",
    )
    busy.value("CREATE TABLE main.b ()")
    busy.value("ALTER TABLE main.b OWNER TO scratch_main_owner")
    policy(busy, lock_timeout="20s")
    events: list[Event] = []
    with busy.connect(options="-c deadlock_timeout=10s") as other:
        other.execute("BEGIN; LOCK TABLE main.b")
        thread = in_background(busy, events)
        until(lambda: busy.column(HELD))
        other.execute("LOCK TABLE main.a")
        other.execute("COMMIT")
        thread.join(30)

    assert [event.text for event in events if event.kind == "retrying" and "deadlock" in event.text]
    assert busy.states()["0002_b"] == "applied"


def test_with_readers_queued_behind_it_a_migration_cancels_itself_at_once_and_lands_later(busy: Scratch) -> None:
    """An open transaction holds the table, the migration waits for it, and twenty readers wait behind the migration."""
    policy(busy, lock_timeout="30s", max_victims=5)
    events: list[Event] = []
    with busy.connect() as holder:
        holder.execute("BEGIN; LOCK TABLE main.a IN ACCESS SHARE MODE")
        thread = in_background(busy, events)
        until(lambda: busy.column("SELECT 1 FROM pg_locks WHERE relation = 'main.a'::regclass AND NOT granted"))
        readers = [busy.connect() for _ in range(20)]
        waits: list[float] = []

        def read(connection: psycopg.Connection[Any]) -> None:
            started = time.monotonic()
            connection.execute("SELECT count(*) FROM main.a")
            waits.append(time.monotonic() - started)

        threads = [threading.Thread(target=read, args=(connection,)) for connection in readers]
        for reader in threads:
            reader.start()
        for reader in threads:
            reader.join(20)
        assert len(waits) == 20  # they were served although the first transaction is still open
        until(lambda: [event for event in events if event.kind == "retrying" and "waited behind it" in event.text])
        holder.execute("COMMIT")
        thread.join(60)

    assert busy.states()["0002_b"] == "applied"


def test_a_rewrite_that_is_cancelled_for_its_victims_again_and_again_stops_and_says_so(busy: Scratch) -> None:
    policy(busy, retries=0, max_victims=0)
    busy.migration("0002_b", "LOCK TABLE main.a;\nSELECT pg_sleep(30);")
    thread, caught = failing_in_background(busy, [])
    until(lambda: busy.column(HELD))
    busy.value("SELECT count(*) FROM main.a")
    thread.join(30)

    assert "cancelled: 1 session waited behind it" in caught[0].message
    assert busy.states()["0002_b"] == "failed"


def test_time_limits_of_the_role_and_the_database_dont_end_a_migration(busy: Scratch) -> None:
    busy.value(f"ALTER DATABASE \"{busy.database_name('main')}\" SET statement_timeout = '50ms'")
    busy.value("ALTER ROLE scratch_main_migrator SET idle_in_transaction_session_timeout = '50ms'")
    try:
        busy.migration("0002_b", "SELECT pg_sleep(0.3);")
        busy.migrate()
    finally:
        with busy.connect(options="-c statement_timeout=0") as connection:
            connection.execute("ALTER ROLE scratch_main_migrator RESET ALL")

    assert busy.states()["0002_b"] == "applied"


def test_the_guard_over_victims_outlives_an_idle_session_timeout(busy: Scratch) -> None:
    """It idles between two attempts, and the second one has victims."""
    policy(busy, lock_timeout="500ms", max_victims=0, retries=1)
    busy.migration("0002_b", "LOCK TABLE main.a;\nSELECT pg_sleep(20);")
    busy.value("ALTER ROLE scratch_main_migrator SET idle_session_timeout = '100ms'")
    events: list[Event] = []
    try:
        with busy.connect() as other:
            other.execute("BEGIN; LOCK TABLE main.a IN ACCESS SHARE MODE")
            thread, caught = failing_in_background(busy, events)
            until(lambda: [event for event in events if event.kind == "retrying"])
            other.execute("COMMIT")
        until(lambda: busy.column(HELD))
        busy.value("SELECT count(*) FROM main.a")
        thread.join(30)
    finally:
        with busy.connect() as connection:
            connection.execute("ALTER ROLE scratch_main_migrator RESET ALL")

    assert "cancelled: 1 session waited behind it" in caught[0].message


def test_the_lock_on_roles_outlives_an_idle_in_transaction_timeout(busy: Scratch) -> None:
    busy.value("ALTER ROLE scratch_main_migrator SET idle_in_transaction_session_timeout = '50ms'")
    try:
        busy.migration("0002_b", "-- allow: roles\nSELECT pg_sleep(0.5);")
        busy.migrate()
    finally:
        with busy.connect() as connection:
            connection.execute("ALTER ROLE scratch_main_migrator RESET ALL")

    assert busy.states()["0002_b"] == "applied"
