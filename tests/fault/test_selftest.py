"""The fault matrix tells the truth: what is survived, what is not, and what could not be run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from dbkit.errors import ConfigurationError
from dbkit.report.console import Output
from dbkit.report.scorecard import show_kills
from dbkit.selftest import Arena, Fault, Kills, arena, chosen, kill_cycles, load_faults, run_faults
from dbkit.selftest.arena import CANARY
from dbkit.selftest.fault import NotRunError, expect, fault
from dbkit.selftest.kills import prepare
from dbkit.selftest.remains import remains
from dbkit.selftest.trial import Trial, trial
from dbkit.testing.plugin import server_settings


@pytest.fixture(scope="module")
def ground() -> Iterator[Arena]:
    with arena(server_settings(), None) as place:
        yield place


def states(place: Arena, *faults: Fault) -> list[tuple[str, str]]:
    return [(verdict.state, verdict.seen) for verdict in run_faults(place, faults)]


def test_the_matrix_has_its_fifty_two_rows() -> None:
    assert [row.number for row in load_faults()] == list(range(1, 53))


@pytest.mark.parametrize("number", [3, 13, 51])
def test_a_row_is_survived(ground: Arena, number: int) -> None:
    assert states(ground, *chosen(load_faults(), [number])) == [("survived", "")]


def test_a_row_that_is_not_there_is_a_usage_error() -> None:
    with pytest.raises(ConfigurationError, match="no fault 53"):
        chosen(load_faults(), [53])


def test_what_is_not_as_it_must_be_is_told_as_failed_with_what_was_seen(ground: Arena) -> None:
    @fault(1, "one", "two tables")
    def wrong(trial: Trial) -> None:
        trial.table("0001_a")
        trial.run("migrate", code=0)
        expect(trial.tables(), {"a", "b"}, "tables")

    @fault(2, "two", "exit 0")
    def bad_exit(trial: Trial) -> None:
        trial.migration("0001_a", "SELECT 1 / 0;")
        trial.run("migrate", code=0)

    @fault(3, "three", "no error")
    def an_error_of_the_server(trial: Trial) -> None:
        trial.value("SELECT 1 / 0")

    found = states(ground, wrong, bad_exit, an_error_of_the_server)

    assert found[0] == ("failed", "tables: ['a'] in place of ['a', 'b']")
    assert found[1][0] == "failed"
    assert "`dbkit migrate` ended with 1, not 0" in found[1][1]
    assert found[2][0] == "failed"
    assert "division by zero" in found[2][1]


@pytest.mark.parametrize(
    ("harm", "seen"),
    [
        ("DELETE FROM main._yoyo_migration", "yoyo's marks"),
        ("ALTER TABLE dbkit.journal DISABLE TRIGGER ALL; UPDATE dbkit.journal SET host = 'x' WHERE id = 1", "broken link"),
    ],
)
def test_a_journal_that_is_not_true_is_seen_after_every_row(ground: Arena, harm: str, seen: str) -> None:
    @fault(1, "one", "anything")
    def harmed(trial: Trial) -> None:
        trial.table("0001_a")
        trial.run("migrate", code=0)
        trial.value(harm)

    ((state, text),) = states(ground, harmed)

    assert state == "failed"
    assert seen in text


def test_a_password_in_any_output_is_found_by_the_last_row(ground: Arena) -> None:
    place = replace(ground, said=[f"can't reach postgresql://u:{CANARY}@h/d"])

    ((state, text),) = states(place, *chosen(load_faults(), [50]))

    assert state == "failed"
    assert "the password is in one of" in text
    assert CANARY not in text


def test_what_can_not_be_run_here_says_what_is_missing(ground: Arena) -> None:
    @fault(1, "one", "anything")
    def impossible(trial: Trial) -> None:
        raise NotRunError("pgbouncer is not installed")

    assert states(ground, impossible) == [("not run", "pgbouncer is not installed")]


def test_a_server_that_holds_anything_is_refused_and_left_alone(ground: Arena) -> None:
    with ground.connect("postgres") as connection:
        connection.execute("CREATE TABLE public.precious ()")
        with pytest.raises(ConfigurationError, match=r"not empty.*public\.precious"), arena(server_settings(), ground.superuser):
            pass
        connection.execute("DROP TABLE public.precious; CREATE ROLE selftest_nobody LOGIN")
    with pytest.raises(ConfigurationError, match="selftest_nobody is no superuser"):
        _enter(psycopg.conninfo.make_conninfo(ground.superuser, user="selftest_nobody"))
    with ground.connect("postgres") as connection:
        connection.execute("DROP ROLE selftest_nobody")


def _enter(url: str) -> None:
    with arena(server_settings(), url):
        pass


def test_an_empty_server_is_used_and_left_empty() -> None:
    with arena(server_settings(), None) as own:
        with arena(server_settings(), own.superuser) as given:
            found = states(given, *chosen(load_faults(), [22, 14]))
        with own.connect("postgres") as connection:
            left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'selftest%'").fetchall()
            left += connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'selftest%'").fetchall()

    assert found[0][0] == "not run"
    assert "without --url" in found[0][1]
    assert found[1] == ("survived", "")
    assert left == []


def test_where_the_kills_met_the_runs_is_printed_and_what_was_not_as_it_must_be(capsys: pytest.CaptureFixture[str]) -> None:
    found = Kills(seed=7, wanted=3, made=3, histories=1, seconds=2.0)
    found.landed.update({"at a COMMIT": 2, "starting": 1})
    show_kills(found, Output(as_json=False, quiet=False))
    found.problems.append("history 1: the data of main.ran differs")
    show_kills(found, Output(as_json=False, quiet=False))

    lines = capsys.readouterr().out.splitlines()

    assert lines[:3] == ["kill -9, 3 times in 1 history, 2 s, seed 7", "    2  at a COMMIT", "    1  starting"]
    assert lines[3].startswith("each ended with")
    assert lines[-1] == "FAILED history 1: the data of main.ran differs"


def test_runs_that_are_killed_end_as_one_that_nobody_disturbed(ground: Arena) -> None:
    told: list[int] = []

    found = kill_cycles(ground, 6, seed=5, progress=lambda now: told.append(now.made))

    assert found.problems == []
    assert found.made == 6
    assert sorted(told) == list(range(1, 7))
    assert sum(found.landed.values()) == 6


HARMS = [
    ("INSERT INTO main.ran VALUES ('0003')", "the data of main.ran differs: (0003) too much, nothing missing"),
    ("UPDATE main.account SET touched = 2 WHERE id = 3", "the data of main.account differs"),
    ("ALTER TABLE main.account ALTER COLUMN email DROP NOT NULL", "the catalog differs: column main account email"),
    ("ALTER TABLE main.entry OWNER TO postgres", "the last fingerprint in the journal is not that of the catalog"),
    (
        (
            "INSERT INTO main._yoyo_log SELECT left(migration_hash, 36), migration_hash, migration_id, 'apply', '', '', now()"
            " FROM main._yoyo_migration"
        ),
        "(yoyo)",
    ),
    (
        "INSERT INTO dbkit.progress (object, run, checksum, upper_bound) VALUES ('x', gen_random_uuid(), '', '')",
        "a cursor of a backfill is left",
    ),
]


def test_a_difference_from_a_straight_run_is_told(ground: Arena) -> None:
    with trial(ground, "harmed") as made:
        prepare(made)
        made.run("migrate", code=0)
        straight = remains(made)
        assert straight.differences(straight) == []
        for harm, seen in HARMS:
            made.value(harm)
            found = remains(made).differences(straight)
            assert any(seen in problem for problem in found), (seen, found)
