"""Whatever is killed, whenever: journal and database agree, and the next run finishes the job by itself."""

from __future__ import annotations

import random
import signal
import time

import psycopg
import pytest

from dbkit.errors import DbkitError
from dbkit.postgres.connect import SESSION, connect
from dbkit.postgres.throwaway import throwaway_server
from dbkit.testing.plugin import server_settings
from scratch import Scratch, until

GATE = 7
PROMPT = 20.0  # seconds that a next run may take; the server itself ends a dead client's statement within one


def agree(scratch: Scratch) -> None:
    """The journal, yoyo's table and the catalog say the same."""
    if scratch.value("SELECT to_regclass('dbkit.journal') IS NULL"):
        assert scratch.tables() == set()
        return
    applied = {name for name, state in scratch.states().items() if state == "applied"}
    assert {name.partition("_")[2] for name in applied} == scratch.tables()
    assert set(scratch.column("SELECT migration_id FROM main._yoyo_migration")) == applied
    assert [name for event, name in scratch.events() if event == "applied"] == sorted(applied)


def sessions_of_dbkit(scratch: Scratch) -> list[int]:
    return scratch.column("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'dbkit/%' AND datname = current_database()")


def waiting_at_the_gate(scratch: Scratch) -> list[int]:
    query = (
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return scratch.column(query, GATE)


@pytest.fixture
def gated(scratch: Scratch) -> Scratch:
    """A migration whose middle waits for the gate, within a transaction that has changed much already."""
    scratch.describe(more='[migrate]\nlock_timeout = "60s"\n')
    scratch.migration("0001_a", "CREATE TABLE main.a ();", "DROP TABLE main.a;")
    scratch.migration("0002_b", f"CREATE TABLE main.b AS SELECT generate_series(1, 1000);\nSELECT pg_advisory_xact_lock({GATE});")
    scratch.migration("0003_c", "CREATE TABLE main.c ();")
    return scratch


def test_kill_9_in_a_statement_leaves_nothing_half_done_and_the_next_run_needs_no_help(gated: Scratch) -> None:
    with gated.connect() as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", [GATE])
        child = gated.start("migrate")
        (backend,) = until(lambda: waiting_at_the_gate(gated))

        child.kill()
        child.communicate()

        # the server sees by itself that nobody is there any more, though the statement still waits
        until(lambda: not gated.column("SELECT 1 FROM pg_stat_activity WHERE pid = %s", backend), seconds=PROMPT)
        agree(gated)
        assert gated.tables() == {"a"}

    gated.migrate(lock_wait=PROMPT)

    agree(gated)
    assert gated.tables() == {"a", "b", "c"}


def test_the_next_run_waits_for_a_dead_runs_statement_to_end(gated: Scratch) -> None:
    with gated.connect() as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", [GATE])
        child = gated.start("migrate")
        until(lambda: waiting_at_the_gate(gated))
        child.kill()
        gate.execute("SELECT pg_advisory_unlock(%s)", [GATE])

        gated.migrate(lock_wait=PROMPT)

    agree(gated)
    assert gated.tables() == {"a", "b", "c"}


def holder(scratch: Scratch, key: int) -> int:
    """Return the backend that holds one of the run's two keys."""
    query = (
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 1684171636 AND objid = %s AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return int(scratch.column(query, key)[0])


def test_a_connection_that_is_cut_is_opened_again_and_the_migration_run_again(gated: Scratch) -> None:
    with gated.connect() as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", [GATE])
        child = gated.start("migrate")
        (backend,) = until(lambda: waiting_at_the_gate(gated))
        gated.value("SELECT pg_terminate_backend(%s, 10000)", backend)
        until(lambda: [pid for pid in waiting_at_the_gate(gated) if pid != backend])

    _, err = child.communicate(timeout=60)

    assert child.returncode == 0, err
    assert "attempt 2" in err
    agree(gated)
    assert gated.tables() == {"a", "b", "c"}


def test_when_the_run_lock_is_lost_the_run_ends_and_the_next_one_goes_on(gated: Scratch) -> None:
    with gated.connect() as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", [GATE])
        child = gated.start("migrate")
        until(lambda: waiting_at_the_gate(gated))
        gated.value("SELECT pg_terminate_backend(%s, 10000)", holder(gated, 1))

    _, err = child.communicate(timeout=60)

    assert "Traceback" not in err
    assert child.returncode == 1
    agree(gated)

    gated.migrate()

    agree(gated)
    assert gated.tables() == {"a", "b", "c"}


MANY = 24


@pytest.mark.parametrize("seed", range(3))
def test_kill_9_at_any_moment_loses_and_doubles_nothing(scratch: Scratch, seed: int) -> None:
    """Killed again and again at moments of no choice until a run comes through."""
    for number in range(MANY):
        scratch.migration(
            f"{number:04}_t{number}",
            f"CREATE TABLE main.t{number} (i integer);\nINSERT INTO main.t{number} SELECT generate_series(1, 500);",
        )
    moments = random.Random(seed)  # noqa: S311 the same moments in every run
    for _ in range(4):
        child = scratch.start("migrate", "--lock-wait", f"{PROMPT:.0f}")
        wanted = min(MANY - 1, len(applied(scratch)) + moments.randrange(1, 8))
        until(lambda wanted=wanted, child=child: len(applied(scratch)) >= wanted or child.poll() is not None)  # type: ignore[misc]
        time.sleep(moments.random() * 0.02)  # anywhere in a migration: this is the fault, nothing waits for it
        child.send_signal(signal.SIGKILL)
        child.communicate()
        until(lambda: not sessions_of_dbkit(scratch), seconds=PROMPT)  # a commit that was under way may still come through
        agree(scratch)

    scratch.run("migrate", "--lock-wait", f"{PROMPT:.0f}", code=0)

    agree(scratch)
    assert scratch.tables() == {f"t{number}" for number in range(MANY)}
    assert {scratch.value(f"SELECT count(*) FROM main.t{number}") for number in range(0, MANY, 5)} == {500}


def applied(scratch: Scratch) -> list[str]:
    if scratch.value("SELECT to_regclass('main._yoyo_migration') IS NULL"):
        return []
    return scratch.column("SELECT migration_id FROM main._yoyo_migration")


def test_kill_9_in_a_rollback_leaves_it_applied(gated: Scratch) -> None:
    gated.migration("0001_a", "CREATE TABLE main.a ();", f"DROP TABLE main.a;\nSELECT pg_advisory_xact_lock({GATE});")
    gated.migrate(to="1")
    with gated.connect() as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", [GATE])
        child = gated.start("rollback", "main")
        until(lambda: waiting_at_the_gate(gated))
        child.kill()
        child.communicate()

    agree(gated)
    assert gated.tables() == {"a"}

    gated.rollback()

    assert gated.tables() == set()


def test_kill_9_in_a_deploy_leaves_the_old_routines(gated: Scratch) -> None:
    gated.routine("f", "CREATE OR REPLACE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';")
    gated.migrate()
    gated.routine("f", "CREATE OR REPLACE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT 2';")
    gated.routine("g", f"SELECT pg_advisory_xact_lock({GATE});")
    with gated.connect() as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", [GATE])
        child = gated.start("migrate")
        until(lambda: waiting_at_the_gate(gated))
        child.kill()
        child.communicate()

    assert gated.value("SELECT main.f()") == 1

    gated.migrate(lock_wait=PROMPT)

    assert gated.value("SELECT main.f()") == 2


def result(scratch: Scratch) -> list[str]:
    return scratch.column("SELECT pg_get_function_result(oid) FROM pg_proc WHERE pronamespace = 'main'::regnamespace ORDER BY proname")


def killed_at_the_gate(scratch: Scratch, *arguments: str) -> None:
    with scratch.connect() as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", [GATE])
        child = scratch.start("migrate", *arguments)
        until(lambda: waiting_at_the_gate(scratch))
        child.kill()
        child.communicate()
    until(lambda: not sessions_of_dbkit(scratch), seconds=PROMPT)


def test_kill_9_in_a_deploy_leaves_definitions_and_catalog_in_agreement_and_the_next_run_asks_nothing(gated: Scratch) -> None:
    text = "CREATE OR REPLACE FUNCTION main.f() RETURNS {} LANGUAGE sql AS 'SELECT 1';\nREVOKE ALL ON FUNCTION main.f() FROM PUBLIC;"
    gated.routine("f", text.format("integer"))
    gated.routine("g", "CREATE OR REPLACE FUNCTION main.g() RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT main.f(); END;")
    gated.migrate()
    with gated.connect() as connection:
        connection.execute("GRANT EXECUTE ON FUNCTION main.f() TO scratch_main_app")
    before = gated.column("SELECT object || definition FROM dbkit.definition ORDER BY 1")
    gated.routine("f", text.format("bigint"))
    gated.routine("g", "CREATE OR REPLACE FUNCTION main.g() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT main.f(); END;")
    gated.routine("h", f"-- depends: f, g\nSELECT pg_advisory_xact_lock({GATE});")

    killed_at_the_gate(gated)

    assert result(gated) == ["integer", "integer"]
    assert gated.column("SELECT object || definition FROM dbkit.definition ORDER BY 1") == before
    assert gated.status().routines_changed == ()

    gated.run("migrate", code=0)

    assert result(gated) == ["bigint", "bigint"]
    assert gated.value("SELECT has_function_privilege('scratch_main_app', 'main.f()', 'EXECUTE')")
    assert gated.status().routines_changed == ()
    assert gated.status().is_current


def test_kill_9_between_a_migration_and_its_deploy_loses_no_privilege_of_what_stood_in_its_way(gated: Scratch) -> None:
    gated.routine("v", "CREATE OR REPLACE VIEW main.v AS SELECT generate_series FROM main.b;")
    gated.migrate()
    with gated.connect() as connection:
        connection.execute("GRANT SELECT ON main.v TO scratch_main_app")
    gated.migration("0004_d", "ALTER TABLE main.b ALTER generate_series TYPE bigint; CREATE TABLE main.d ();")
    gated.routine("u", f"SELECT pg_advisory_xact_lock({GATE});")

    killed_at_the_gate(gated)

    assert gated.states()["0004_d"] == "applied"
    assert "v" not in gated.tables()
    assert gated.status().routines_changed == ()

    gated.run("migrate", code=0)

    assert gated.value("SELECT has_table_privilege('scratch_main_app', 'main.v', 'SELECT')")
    assert gated.status().is_current


@pytest.mark.parametrize("seed", range(2))
def test_kill_9_at_any_moment_of_a_deploy_is_never_taken_for_a_change_by_hand(scratch: Scratch, seed: int) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);")
    moments = random.Random(seed)  # noqa: S311 the same moments in every run
    types = ("integer", "bigint", "smallint", "numeric")

    def write(turn: int) -> None:
        for number in range(20):
            kind = types[(turn + number) % 4]
            scratch.routine(
                f"f{number}", f"CREATE OR REPLACE FUNCTION main.f{number}() RETURNS {kind} LANGUAGE sql AS 'SELECT {turn}::{kind}';"
            )
            scratch.routine(f"v{number}", f"CREATE OR REPLACE VIEW main.v{number} AS SELECT main.f{number}() AS f, i FROM main.a;")

    write(0)
    scratch.migrate()
    for turn in range(1, 4):
        write(turn)
        child = scratch.start("migrate")
        until(lambda child=child: sessions_of_dbkit(scratch) or child.poll() is not None)  # type: ignore[misc]
        time.sleep(moments.random() * 0.5)  # anywhere in a deploy: this is the fault, nothing waits for it
        child.kill()
        child.communicate()
        until(lambda: not sessions_of_dbkit(scratch), seconds=PROMPT)
        assert scratch.status().routines_changed == ()

    scratch.run("migrate", code=0)

    assert scratch.status().is_current
    assert scratch.column("SELECT DISTINCT f::integer FROM (TABLE main.v0 UNION ALL TABLE main.v19) AS v") in ([], [3])
    assert scratch.column("SELECT main.f0()::integer UNION SELECT main.f19()::integer") == [3]


def test_a_lock_that_somebody_holds_for_too_long_is_named_and_left_to_them(scratch: Scratch) -> None:
    scratch.describe(more='[migrate]\nlock_timeout = "200ms"\n')
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);")
    scratch.migrate()
    scratch.migration("0002_b", "ALTER TABLE main.a ADD b integer;")
    with scratch.connect() as reader:
        reader.execute("BEGIN; SELECT * FROM main.a")

        with pytest.raises(DbkitError) as caught:
            scratch.migrate()

        reader.execute("SELECT * FROM main.a")
    assert caught.value.sqlstate == "55P03"
    assert "lock_timeout" in f"{caught.value.hint}"

    scratch.migrate()

    assert scratch.states()["0002_b"] == "applied"


def test_a_run_that_was_killed_at_its_very_end_is_ended_by_the_next_one(scratch: Scratch) -> None:
    """Every migration is in, but the row with the catalog's fingerprint is not: without it a cheap check would see drift."""
    scratch.migration("0001_a", "CREATE TABLE main.a ();")
    scratch.migrate()
    scratch.migration("0002_b", "CREATE TABLE main.b ();")
    scratch.value(
        f"""
        CREATE FUNCTION public.wait() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock({GATE}); RETURN NEW; END $$;
        CREATE TRIGGER a_gate BEFORE INSERT ON dbkit.journal FOR EACH ROW WHEN (NEW.event = 'finished') EXECUTE FUNCTION public.wait();
        """
    )
    with scratch.connect() as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", [GATE])
        child = scratch.start("migrate")
        until(lambda: waiting_at_the_gate(scratch))
        child.kill()
        child.communicate()
        until(lambda: not sessions_of_dbkit(scratch), seconds=PROMPT)
    assert scratch.call("verify", "main", "--fingerprint").code == 1

    assert scratch.migrate().is_empty

    scratch.call("verify", "main", "--fingerprint", code=0)
    agree(scratch)
    before = scratch.value("SELECT count(*) FROM dbkit.journal")
    scratch.migrate()
    assert scratch.value("SELECT count(*) FROM dbkit.journal") == before


def test_when_the_run_lock_is_lost_no_other_migration_is_begun(gated: Scratch) -> None:
    with gated.connect() as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", [GATE])
        child = gated.start("migrate")
        until(lambda: waiting_at_the_gate(gated))
        gated.value("SELECT pg_terminate_backend(%s, 10000)", holder(gated, 1))

    _, err = child.communicate(timeout=60)

    assert child.returncode == 1
    assert "run lock" in err
    assert gated.tables() == {"a", "b"}


def test_the_server_asks_after_a_host_that_says_nothing_any_more() -> None:
    """Over TCP; a client on a host without power sends no end."""
    address = "127.52.1.9"
    with throwaway_server(server_settings(), listen_addresses=address):
        with psycopg.connect(f"host={address} dbname=postgres user=postgres") as connection:
            assert connection.execute("SHOW tcp_keepalives_idle").fetchone() != ("10",)
        with connect(f"host={address} dbname=postgres user=postgres", "test", **SESSION) as connection:
            shown = connection.execute("SELECT name, setting FROM pg_settings WHERE name ~ '^tcp_keepalives'").fetchall()
    assert dict(shown) == {"tcp_keepalives_count": "3", "tcp_keepalives_idle": "10", "tcp_keepalives_interval": "3"}
