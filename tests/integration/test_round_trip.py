"""`dbkit test` compares catalogs: a rollback that exits well and undoes too little or too much is found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dbkit.postgres import throwaway
from scratch import Scratch

UP = "CREATE TABLE main.a (i integer);\nCREATE INDEX a_i_idx ON main.a (i);\nCREATE TYPE main.mood AS ENUM ('good');"


@pytest.mark.parametrize(
    ("down", "said"),
    [
        ("DROP TABLE main.a; DROP TYPE main.mood;", None),
        ("DROP TABLE main.a;", "there is still main.mood"),
        ("DROP TYPE main.mood; ALTER TABLE main.a RENAME TO b;", "there is still main.b"),
    ],
)
def test_what_a_rollback_leaves_behind_is_named(scratch: Scratch, down: str, said: str | None) -> None:
    scratch.migration("0001_a", UP, down)

    told = scratch.call("test", "main", code=1 if said else 0)

    assert said is None or said in told.err


def test_a_way_up_that_depends_on_what_was_there_is_found(scratch: Scratch) -> None:
    scratch.migration(
        "0001_a",
        "CREATE TABLE main.a (i integer);\nALTER DEFAULT PRIVILEGES IN SCHEMA main GRANT SELECT ON TABLES TO scratch_main_app;",
        "DROP TABLE main.a;",
    )

    told = scratch.call("test", "main", code=1)

    assert "up, down and up again is not the same as up" in told.err
    assert "table main.a" in told.err


def test_the_server_of_the_tests_is_of_the_targets_major_or_newer(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);", "DROP TABLE main.a;")
    target = int(scratch.value("SHOW server_version_num")) // 10000
    monkeypatch.setattr(throwaway, "INSTALLED", ())
    monkeypatch.setattr(throwaway, "EMBEDDED", (18,))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))

    told = scratch.call("test", "main", code=0)
    assert (f"the target is PostgreSQL {target}, the tests run on PostgreSQL 18" in told.err) == (target != 18)

    monkeypatch.setattr(throwaway, "_programs", lambda _settings: iter([(target - 1, None)]))
    assert f"the target is PostgreSQL {target}, and the newest server program here is {target - 1}" in scratch.call("test", code=1).err
