"""Any sequence of runs, rollbacks and edits ends where a model of three lines says."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from dbkit.errors import DbkitError
from scratch import Pool, Scratch

Kind = Literal["table", "column", "fails", "view"]
MIGRATIONS: st.SearchStrategy[list[Kind]] = st.lists(
    st.sampled_from(["table", "column", "table", "column", "fails", "view"]), min_size=1, max_size=6
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("migrate"), st.none() | st.integers(1, 6)),
        st.tuples(st.just("rollback"), st.integers(1, 4)),
        st.tuples(st.just("edit"), st.integers(1, 6)),
        st.tuples(st.just("reformat"), st.integers(1, 6)),
    ),
    min_size=1,
    max_size=8,
)


def text(kind: Kind, number: int) -> tuple[str, str]:
    """Return the script and the rollback of a migration that leaves exactly the table or view `x<number>`."""
    match kind:
        case "table":
            return f"CREATE TABLE main.x{number} (i integer);", f"DROP TABLE main.x{number};"
        case "column":
            return (
                f"CREATE TABLE main.x{number} (i integer, j integer); ALTER TABLE main.x{number} DROP COLUMN i;",
                f"ALTER TABLE main.x{number} DROP COLUMN j; DROP TABLE main.x{number};",
            )
        case "view":
            return f"CREATE VIEW main.x{number} AS SELECT {number} AS i;", f"DROP VIEW main.x{number};"
        case "fails":
            return f"CREATE TABLE main.x{number} (i integer); SELECT 1 / 0;", "SELECT 1;"


class Model:
    """What ought to be: the kinds of the files, and how many of them, from the first, are applied."""

    def __init__(self, kinds: list[Kind]) -> None:
        self.kinds = kinds
        self.applied = 0

    def migrate(self, to: int) -> None:
        while self.applied < min(to, len(self.kinds)) and self.kinds[self.applied] != "fails":
            self.applied += 1

    def rollback(self, steps: int) -> None:
        self.applied -= min(steps, self.applied)


@settings(max_examples=25)
@given(MIGRATIONS, STEPS)
def test_any_sequence_ends_where_the_model_says(pool: Pool, kinds: list[Kind], steps: list[tuple[str, int | None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scratch = Scratch(Path(folder), pool)
        scratch.describe()
        try:
            play(scratch, Model(list(kinds)), steps)
        finally:
            scratch.leave()


def put(scratch: Scratch, number: int, kind: Kind, comment: str = "") -> None:
    up, down = text(kind, number)
    scratch.migration(f"{number:04}_x{number}", f"{comment}{up}", down)


def play(scratch: Scratch, model: Model, steps: list[tuple[str, int | None]]) -> None:
    for number, kind in enumerate(model.kinds, 1):
        put(scratch, number, kind)
    for action, argument in steps:
        position = min(argument or len(model.kinds), len(model.kinds))
        match action:
            case "migrate":
                model.migrate(position)
                fails = "fails" in model.kinds[:position]
                assert run(scratch, f"{position:04}") == ("22012" if fails else None)
            case "rollback":
                model.rollback(argument or 1)
                scratch.rollback(steps=argument)
            case "edit" if position > model.applied:
                model.kinds[position - 1] = "table"
                put(scratch, position, "table")
            case _ if position <= model.applied:
                put(scratch, position, model.kinds[position - 1], "-- said anew\n")
        compare(scratch, model)


def run(scratch: Scratch, to: str) -> str | None:
    """Migrate, and return the SQLSTATE of what went wrong."""
    try:
        scratch.migrate(to=to)
    except DbkitError as exc:
        return exc.sqlstate
    return None


def compare(scratch: Scratch, model: Model) -> None:
    applied = [f"{number:04}_x{number}" for number in range(1, model.applied + 1)]
    states = scratch.states()
    assert [name for name, state in states.items() if state == "applied"] == applied
    assert set(states.values()) <= {"applied", "pending", "failed"}
    assert scratch.tables() == {f"x{number}" for number in range(1, model.applied + 1)}
    if scratch.value("SELECT to_regclass('main._yoyo_migration') IS NOT NULL"):
        assert sorted(scratch.column("SELECT migration_id FROM main._yoyo_migration")) == applied
