"""`dbkit selftest`, as it is run: the scorecard, its JSON, the exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dbkit.postgres.throwaway import throwaway_server
from dbkit.testing.plugin import server_settings
from scratch import Scratch


@pytest.fixture
def program(tmp_path: Path) -> Scratch:
    """A project whose environment names the server program of the tests."""
    project = Scratch(tmp_path / "own", None)
    project.root.mkdir()
    project.describe()
    return project


@pytest.fixture
def empty() -> Iterator[str]:
    """The conninfo of an empty server."""
    with throwaway_server(server_settings()) as server:
        yield server.conninfo("postgres")


def test_the_scorecard_has_a_line_a_fault_and_a_line_of_totals(program: Scratch) -> None:
    lines = program.run("selftest", "22", "30", code=0).out.splitlines()

    assert [line.split()[:2] for line in lines[:2]] == [["22", "survived"], ["30", "survived"]]
    assert lines[2:] == ["2 faults: 2 survived"]


def test_its_json_says_what_must_be_true(program: Scratch) -> None:
    found = program.run("--format", "json", "selftest", "22", code=0).document

    (row,) = found["faults"]
    assert {"number": 22, "verdict": "survived", "seen": ""}.items() <= row.items()
    assert row["must"]
    assert row["seconds"] > 0
    assert found["kills"] is None


def test_kills_come_after_the_faults_and_say_where_they_met_the_runs(program: Scratch) -> None:
    found = program.run("--format", "json", "selftest", "30", "--kills", "1", "--seed", "7", code=0).document

    assert [row["number"] for row in found["faults"]] == [30]
    assert {"seed": 7, "kills": 1, "histories": 1, "problems": []}.items() <= found["kills"].items()
    assert sum(found["kills"]["landed"].values()) == 1


def test_what_could_not_be_run_counts_as_failed_with_strict_alone(program: Scratch, empty: str) -> None:
    done = program.run("selftest", "14", "--url", empty, code=0)

    assert done.out.split()[:3] == ["14", "not", "run"]
    assert "missing: it stops servers or changes their settings: run it without --url" in done.out
    program.run("selftest", "14", "--url", empty, "--strict", code=1)


def test_a_number_that_is_not_there_and_a_server_in_use_are_refused(program: Scratch, empty: str) -> None:
    assert "no fault 53" in program.run("selftest", "53", code=2).err

    import psycopg

    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("CREATE DATABASE precious")

    refused = program.run("selftest", "22", "--url", empty, code=2)

    assert "not empty: it has the database precious" in refused.err
    assert refused.out == ""
