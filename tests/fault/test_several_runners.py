"""Several runners at once: each migration is applied once, and every runner ends well."""

from __future__ import annotations

import subprocess

import pytest

from scratch import Scratch, until

GATE = 7
NAMES = [f"{number:04}_t{number}" for number in range(1, 9)]


def many(scratch: Scratch) -> None:
    for name in NAMES:
        table = name.partition("_")[2]
        scratch.migration(
            name, f"CREATE TABLE main.{table} (i integer);\nINSERT INTO main.{table} VALUES (1);", f"DROP TABLE main.{table};"
        )
    scratch.routine("f", "CREATE OR REPLACE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';")


def ends(children: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    told = [child.communicate(timeout=60) for child in children]
    return [(child.returncode, err.replace("waiting for another run", "")) for child, (_, err) in zip(children, told, strict=True)]


@pytest.mark.parametrize("runners", [2, 4])
def test_runners_on_an_empty_database_share_the_work(scratch: Scratch, runners: int) -> None:
    many(scratch)

    children = [scratch.start("migrate") for _ in range(runners)]

    for code, err in ends(children):
        assert (code, "error" in err) == (0, False), err
    assert scratch.events() == [("applied", name) for name in NAMES] + [("deployed", "f")]
    assert sorted(scratch.column("SELECT migration_id FROM main._yoyo_migration")) == NAMES
    assert scratch.column("SELECT sum(i) FROM main.t1 UNION ALL SELECT sum(i) FROM main.t8") == [1, 1]


def test_a_runner_that_comes_later_waits_names_the_first_and_finds_nothing_to_do(scratch: Scratch) -> None:
    scratch.describe(more='[migrate]\nlock_timeout = "60s"\n')
    scratch.migration("0001_a", f"CREATE TABLE main.a ();\nSELECT pg_advisory_xact_lock({GATE});")
    with scratch.connect() as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", [GATE])
        first = scratch.start("migrate")
        until(lambda: scratch.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted", GATE))
        second = scratch.start("migrate", "--lock-wait", "60")
        polls = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'dbkit/migrate%%' AND datname = current_database()"
        until(lambda: scratch.value(polls) == 3)
        assert second.stderr is not None
        line = second.stderr.readline()
        gate.execute("SELECT pg_advisory_unlock(%s)", [GATE])

        assert [first.wait(60), second.wait(60)] == [0, 0]

    assert "main: waiting for another run: pid " in line
    assert "dbkit/migrate" in line
    assert line.rstrip().endswith("at main/0001_a")
    assert scratch.events() == [("applied", "0001_a")]


def test_a_rollback_and_a_run_at_once_leave_a_true_journal(scratch: Scratch) -> None:
    many(scratch)
    scratch.migrate(to="4")

    codes = [code for code, _ in ends([scratch.start("migrate"), scratch.start("rollback", "main", "--to", "2")])]

    assert codes == [0, 0]
    applied = {name for name, state in scratch.states().items() if state == "applied"}
    assert {name.partition("_")[2] for name in applied} == scratch.tables()
    assert set(scratch.column("SELECT migration_id FROM main._yoyo_migration")) == applied


def test_runners_of_several_services_in_one_cluster_do_not_disturb_each_other(scratch: Scratch) -> None:
    services = ("main", "other", "third")
    scratch.describe(*services)
    for service in services:
        for number in (1, 2, 3):
            scratch.migration(f"000{number}_t{number}", f"CREATE TABLE {service}.t{number} ();", service=service)

    codes = [code for code, _ in ends([scratch.start("migrate", service) for service in services])]

    assert codes == [0, 0, 0]
    assert [scratch.tables(service) for service in services] == [{"t1", "t2", "t3"}] * 3


def test_of_eight_runners_with_one_changed_function_exactly_one_deploys_it(scratch: Scratch) -> None:
    for name in ("f", "g", "h"):
        scratch.routine(name, f"CREATE OR REPLACE FUNCTION main.{name}() RETURNS integer LANGUAGE sql AS 'SELECT 1';")
    scratch.migrate()
    versions = "SELECT proname || ' ' || xmin FROM pg_proc WHERE pronamespace = 'main'::regnamespace ORDER BY 1"
    before = scratch.column(versions)
    scratch.routine("g", "CREATE OR REPLACE FUNCTION main.g() RETURNS integer LANGUAGE sql AS 'SELECT 2';")

    children = [scratch.start("migrate") for _ in range(8)]

    for code, err in ends(children):
        assert (code, "error" in err) == (0, False), err
    assert [name for event, name in scratch.events() if event == "deployed"] == ["f", "g", "h", "g"]
    assert [one.split()[0] for one, other in zip(before, scratch.column(versions), strict=True) if one != other] == ["g"]
    after = scratch.column(versions)
    scratch.run("migrate", code=0)
    assert scratch.column(versions) == after
