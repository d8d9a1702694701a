"""`dbkit test` compares catalogs: a rollback that exits well and undoes too little or too much is found."""

from __future__ import annotations

import pytest

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
