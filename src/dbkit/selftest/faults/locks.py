"""Several runs at once, and others who hold what a run needs."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import ExitStack

from dbkit.selftest import gate
from dbkit.selftest.arena import PROJECT
from dbkit.selftest.fault import expect, expect_in, expect_not_in, fault
from dbkit.selftest.trial import SERVICE, Trial, until
from dbkit.selftest.trial import trial as another_trial
from dbkit.selftest.wire import wire

BUILDING = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%CONCURRENTLY%' AND wait_event_type = 'Lock' AND datname = current_database()"
VALID = "SELECT indexrelid::regclass::text || ' ' || indisvalid FROM pg_index WHERE indrelid = 'main.a'::regclass ORDER BY 1"


@fault(7, "four runners at once on an empty database", "all end with 0, each migration is applied once")
def runners_at_once(trial: Trial) -> None:
    stems = [f"000{number}_t{number}" for number in range(1, 6)]
    for stem in stems:
        trial.table(stem)
    trial.routine("f", "CREATE OR REPLACE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';")
    children = [trial.start("migrate") for _ in range(4)]
    for child in children:
        trial.ended(child, code=0)
    expect(trial.applied(), stems, "what was applied")
    expect(trial.value("SELECT count(*) FROM dbkit.journal WHERE event = 'deployed'"), 1, "how often the routine was deployed")


@fault(
    8, "a second runner while the first takes long", "it names who holds the lock since when, waits as long as it may, then exits with 4"
)
def a_long_first_runner(trial: Trial) -> None:
    trial.migration("0001_a", f"CREATE TABLE main.a ();\n{gate.HERE}")
    with trial.gate() as gated:
        first = trial.start("migrate")
        holder = until(gated.waiting, "the first run is at work")
        impatient = trial.run("migrate", "--lock-wait", "0.5", code=4)
        watcher = trial.value(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND granted"
            " AND classid = 1684171636 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        for part in (f"pid {watcher}", "dbkit/migrate", "0001_a"):
            expect_in(part, impatient.text, f"how the holder (backend {holder} executes) is named")
        patient = trial.start("migrate", "--lock-wait", "60")
        until(lambda: len(trial.sessions()) > 2, "the patient one asks too")
        time.sleep(0.3)
    trial.ended(first, code=0)
    trial.ended(patient, code=0)
    expect(trial.applied(), ["0001_a"], "what was applied")


@fault(9, "a runner waits while CREATE INDEX CONCURRENTLY runs", "no deadlock: it polls, and holds no snapshot")
def a_waiter_beside_a_build(trial: Trial) -> None:
    trial.migration("0001_a", "CREATE TABLE main.a (i integer);")
    trial.run("migrate", code=0)
    trial.migration("0002_i", "-- transactional: false\nCREATE INDEX CONCURRENTLY a_i_idx ON main.a (i);")
    with trial.connect() as writer:
        writer.execute("BEGIN; INSERT INTO main.a VALUES (1)")
        first = trial.start("migrate")
        until(lambda: trial.rows(BUILDING), "the build waits for a writer")
        second = trial.start("migrate")
        until(lambda: len(trial.sessions()) > 2, "the second run polls")
        time.sleep(0.5)
        writer.execute("COMMIT")
    for child in (first, second):
        expect_not_in("deadlock", trial.ended(child, code=0).text, "what the run says")
    expect(trial.column(VALID), ["main.a_i_idx true"], "the index")


@fault(
    10,
    "the host of the run is gone without a word (half-open TCP)",
    "the server's keepalives find out; the lock is free within half a minute",
)
def a_dead_host(trial: Trial) -> None:
    address = f"127.52.{trial.root.stat().st_ino % 250 + 1}.1"  # nobody else listens there
    with ExitStack() as stack:
        arena = stack.enter_context(trial.arena.another(listen_addresses=address))
        cable = stack.enter_context(wire(arena.own()))
        far = stack.enter_context(another_trial(arena, "far"))
        far.table("0001_a")
        far.migration("0002_b", f"CREATE TABLE main.b ();\n{gate.HERE}")
        far.manifest(url=arena.conninfo(far.database, f"{PROJECT}_{SERVICE}_migrator", host="127.0.0.1", port=str(cable.port)))
        with far.gate() as gated:
            child = far.start("migrate")
            until(gated.waiting, "the migration is in its middle")
            os.killpg(child.pid, signal.SIGSTOP)  # it must not notice before it is dead
            cable.vanish()
            far.kill(child)
        left = far.sessions()
        far.manifest()
        far.run("migrate", "--lock-wait", "30", code=0)
        expect(bool(left), True, "the dead run held the lock when the next one came")
        expect(far.applied(), ["0001_a", "0002_b"], "what was applied")
        far.agree()


@fault(32, "a hot table: readers queue behind a migration that waits for a lock", "the migration gets out of their way, and lands later")
def a_hot_table(trial: Trial) -> None:
    trial.manifest('[migrate]\nlock_timeout = "20s"\nmax_victims = 3\n')
    trial.table("0001_a")
    trial.run("migrate", code=0)
    trial.migration("0002_b", "ALTER TABLE main.a ADD j integer;", "ALTER TABLE main.a DROP j;")
    waits: list[float] = []

    def read() -> None:
        with trial.arena.connect(trial.database) as reader:
            started = time.monotonic()
            reader.execute("SELECT count(*) FROM main.a")
            waits.append(time.monotonic() - started)

    with trial.connect() as holder:
        holder.execute("BEGIN; LOCK TABLE main.a IN ACCESS SHARE MODE")
        child = trial.start("migrate")
        until(lambda: trial.rows("SELECT 1 FROM pg_locks WHERE relation = 'main.a'::regclass AND NOT granted"), "the migration waits")
        readers = [threading.Thread(target=read) for _ in range(12)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(15)
        served = len(waits)  # while the first transaction is still open
        holder.execute("COMMIT")
    expect(served, 12, "readers that were served while the lock was contended")
    expect_in("waited behind it", trial.ended(child, code=0).text, "what the run says")
    expect(trial.applied(), ["0001_a", "0002_b"], "what was applied")


@fault(
    33, "an old transaction stands in the way of CREATE INDEX CONCURRENTLY", "it is named beforehand, and no lock_timeout ends the build"
)
def an_old_snapshot(trial: Trial) -> None:
    trial.manifest('[migrate]\nlock_timeout = "200ms"\n')
    trial.migration("0001_a", "CREATE TABLE main.a (i integer);")
    trial.run("migrate", code=0)
    trial.value(f"ALTER DATABASE \"{trial.database}\" SET lock_timeout = '200ms'")
    trial.migration("0002_i", "-- transactional: false\nCREATE INDEX CONCURRENTLY a_i_idx ON main.a (i);")
    with trial.connect(application_name="reporting", options="-c lock_timeout=0") as old:
        pid = old.info.backend_pid
        old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id(); SELECT pg_sleep(1.2)")
        child = trial.start("migrate")
        until(lambda: trial.rows(BUILDING), "the build waits for the old transaction")
        time.sleep(1.0)  # longer than the lock_timeout
        expect(child.poll(), None, "the run while the old transaction is open")
        old.execute("ROLLBACK")
    expect_in(f"it would wait for pid {pid} (reporting", trial.ended(child, code=0).text, "what the run says")
    expect(trial.column(VALID), ["main.a_i_idx true"], "the index")


@fault(
    38, "eight runners deploy one function, again and again", "no error, one of them writes, and nothing is touched where nothing changed"
)
def runners_of_one_function(trial: Trial) -> None:
    trial.table("0001_a")
    rows = "SELECT xmin::text FROM pg_proc WHERE proname = 'f' AND pronamespace = 'main'::regnamespace"
    for release in (1, 2):
        trial.routine("f", f"CREATE OR REPLACE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT {release}';")
        for child in [trial.start("migrate") for _ in range(8)]:
            expect_not_in("concurrently updated", trial.ended(child, code=0).text, "what a runner says")
        expect(trial.value("SELECT main.f()"), release, "the function")
    expect(trial.value("SELECT count(*) FROM dbkit.journal WHERE event = 'deployed'"), 2, "deployments of two releases")
    before = trial.column(rows)
    trial.run("migrate", code=0)
    expect(trial.column(rows), before, "the function's row after a run with nothing to do")


@fault(34, "statement_timeout and its like are set for the role and the database", "they don't end a migration")
def limits_of_others(trial: Trial) -> None:
    limits = ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout")
    for limit in limits:
        trial.value(f"ALTER DATABASE \"{trial.database}\" SET {limit} = '60ms'")
        trial.value(f"ALTER ROLE {PROJECT}_{SERVICE}_migrator IN DATABASE \"{trial.database}\" SET {limit} = '50ms'")
    trial.migration("0001_a", "CREATE TABLE main.a (i integer);\nSELECT pg_sleep(0.3);")
    trial.migration("0002_i", "-- transactional: false\nSELECT pg_sleep(0.3);\nCREATE INDEX CONCURRENTLY a_i_idx ON main.a (i);")
    trial.run("migrate", code=0)
    expect(trial.applied(), ["0001_a", "0002_i"], "what was applied")
