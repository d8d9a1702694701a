"""SIGINT and SIGTERM end the statement, leave the journal true and say how to go on."""

from __future__ import annotations

import signal

import pytest

from scratch import Scratch, until

GATE = 7
SIGNALS = [pytest.param(signal.SIGINT, 130, id="SIGINT"), pytest.param(signal.SIGTERM, 143, id="SIGTERM")]


@pytest.fixture
def gated(scratch: Scratch) -> Scratch:
    """A second migration that does not get on while the gate is shut."""
    scratch.describe(more='[migrate]\nlock_timeout = "60s"\n')
    scratch.migration("0001_a", "CREATE TABLE main.a ();", "DROP TABLE main.a;")
    scratch.migration(
        "0002_b",
        f"CREATE TABLE main.b ();\nSELECT pg_advisory_xact_lock({GATE});\n",
        f"DROP TABLE main.b;\nSELECT pg_advisory_xact_lock({GATE});\n",
    )
    return scratch


def at_the_gate(scratch: Scratch) -> int:
    """Return how many sessions wait at the gate of this database."""
    query = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return int(scratch.value(query, GATE))


def statements_of_dbkit(scratch: Scratch) -> list[str]:
    return scratch.column("SELECT query FROM pg_stat_activity WHERE application_name LIKE 'dbkit/%' AND datname = current_database()")


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_an_interrupted_migration_is_out_and_the_next_run_goes_on(gated: Scratch, number: signal.Signals, code: int) -> None:
    with gated.connect() as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", [GATE])
        child = gated.start("migrate")
        until(lambda: at_the_gate(gated))

        child.send_signal(number)
        _, err = child.communicate(timeout=60)

        assert child.returncode == code, err
        assert "main/0002_b was rolled back" in err
        assert "`dbkit migrate` goes on from here" in err
        until(lambda: not statements_of_dbkit(gated))

    assert gated.events() == [("applied", "0001_a"), ("interrupted", "0002_b")]
    assert gated.states() == {"0001_a": "applied", "0002_b": "interrupted"}
    assert gated.tables() == {"a"}

    gated.migrate()

    assert gated.states() == {"0001_a": "applied", "0002_b": "applied"}


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_an_interrupted_rollback_leaves_the_migration_applied(gated: Scratch, number: signal.Signals, code: int) -> None:
    gated.migrate()
    with gated.connect() as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", [GATE])
        child = gated.start("rollback", "main")
        until(lambda: at_the_gate(gated))

        child.send_signal(number)
        _, err = child.communicate(timeout=60)

        assert child.returncode == code, err
        assert "main/0002_b is still applied" in err
        until(lambda: not statements_of_dbkit(gated))

    assert gated.events()[-1] == ("interrupted", "0002_b")
    assert gated.states() == {"0001_a": "applied", "0002_b": "applied"}
    assert gated.tables() == {"a", "b"}

    gated.rollback()

    assert gated.tables() == {"a"}


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_an_interrupted_deploy_of_routines_leaves_the_old_ones(gated: Scratch, number: signal.Signals, code: int) -> None:
    gated.routine("f", "CREATE OR REPLACE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';")
    gated.migrate()
    gated.routine("f", "CREATE OR REPLACE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT 2';")
    gated.routine("g", f"SELECT pg_advisory_xact_lock({GATE});")
    with gated.connect() as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", [GATE])
        child = gated.start("migrate")
        until(lambda: at_the_gate(gated))

        child.send_signal(number)
        _, err = child.communicate(timeout=60)

        assert child.returncode == code, err
        until(lambda: not statements_of_dbkit(gated))

    assert gated.value("SELECT main.f()") == 1

    gated.migrate()

    assert gated.value("SELECT main.f()") == 2


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_run_that_waits_for_another_can_be_interrupted(gated: Scratch, number: signal.Signals, code: int) -> None:
    with gated.connect() as holder:
        holder.execute("SELECT pg_advisory_lock(1684171636, 1)")
        child = gated.start("migrate")
        until(lambda: [query for query in statements_of_dbkit(gated) if "pg_locks" in query or "pg_try_advisory_lock" in query])

        child.send_signal(number)
        _, err = child.communicate(timeout=60)

    assert child.returncode == code, err
    assert "Traceback" not in err
    assert gated.tables() == set()
