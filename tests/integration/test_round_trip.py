"""`dbkit test` compares catalogs: a rollback that exits well and undoes too little or too much is found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dbkit.postgres import programs, throwaway
from scratch import Scratch

UP = "CREATE TABLE main.a (i integer);\nCREATE INDEX a_i_idx ON main.a (i);\nCREATE TYPE main.mood AS ENUM ('good');"


@pytest.mark.parametrize(
    ("down", "said"),
    [
        ("DROP TABLE main.a; DROP TYPE main.mood;", None),
        ("DROP TABLE main.a;", "unexpected enum main.mood"),
        ("DROP TYPE main.mood; ALTER TABLE main.a RENAME TO b;", "unexpected table main.b"),
    ],
)
def test_what_a_rollback_leaves_behind_is_named(scratch: Scratch, down: str, said: str | None) -> None:
    scratch.migration("0001_a", UP, down)

    told = scratch.call("test", "main", code=1 if said else 0)

    assert said is None or said in told.err
    assert said is None or "main/0001_a: its rollback does not bring back what was before it" in told.err


def test_the_rollback_that_is_wrong_is_named_among_others(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer NOT NULL);", "DROP TABLE main.a;")
    scratch.migration("0002_b", "ALTER TABLE main.a ALTER i DROP NOT NULL;", "SELECT 1;")
    scratch.migration("0003_c", "CREATE TABLE main.c ();", "DROP TABLE main.c;")

    told = scratch.call("test", "main", code=1)

    assert "main/0002_b: its rollback does not bring back what was before it" in told.err
    assert "0002_b.rollback.sql:1" in told.err
    assert "column main.a.i" in told.err


def test_what_comes_after_an_irreversible_one_is_proven_all_the_same(scratch: Scratch) -> None:
    scratch.migration("0001_a", "-- irreversible: the first\nCREATE TABLE main.a ();", None)
    scratch.migration("0002_b", "CREATE TABLE main.b ();", "DROP TABLE main.b;")
    assert "not behind 0001_a" in scratch.call("test", "main", code=0).out

    scratch.migration("0003_c", "CREATE TABLE main.c ();", "SELECT 1;")

    assert "main/0003_c: its rollback" in scratch.call("test", "main", code=1).err


def test_rows_that_seeds_put_in_are_there_when_it_goes_down(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);", "DROP TABLE main.a;")
    down = "ALTER TABLE main.a ADD CONSTRAINT none CHECK (i < 0);\nALTER TABLE main.a DROP CONSTRAINT none, DROP j;"
    scratch.migration("0002_b", "ALTER TABLE main.a ADD j text;", down)
    scratch.write("seeds/main/0001_rows.sql", "INSERT INTO main.a VALUES (1, 'one');")

    assert "violated by some row" in scratch.call("test", "main", code=1).err


def test_a_way_up_that_depends_on_what_was_there_is_found(scratch: Scratch) -> None:
    scratch.migration(
        "0001_a",
        "CREATE TABLE main.a (i integer);\nALTER DEFAULT PRIVILEGES IN SCHEMA main GRANT SELECT ON TABLES TO scratch_main_app;",
        "DROP TABLE main.a;",
    )

    assert "default privileges" in scratch.call("test", "main", code=1).err


def test_the_server_of_the_tests_is_of_the_targets_major_or_newer(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);", "DROP TABLE main.a;")
    target = int(scratch.value("SHOW server_version_num")) // 10000
    monkeypatch.setattr(programs, "INSTALLED", ())
    monkeypatch.setattr(throwaway, "EMBEDDED", (18,))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))

    told = scratch.call("test", "main", code=0)
    assert (f"the target is PostgreSQL {target}, the tests run on PostgreSQL 18" in told.err) == (target != 18)

    monkeypatch.setattr(throwaway, "_programs", lambda _settings: iter([(target - 1, None)]))
    assert f"the target is PostgreSQL {target}, and the newest server program here is {target - 1}" in scratch.call("test", code=1).err
