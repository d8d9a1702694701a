"""Rollback: newest first, from the stored text, with the routines of the release before."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from dbkit.errors import ConfigurationError, DbkitError
from scratch import Scratch

Connection = psycopg.Connection[tuple[Any, ...]]


def body(value: int) -> str:
    return f"CREATE OR REPLACE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT {value}';\n"


@pytest.fixture
def three(scratch: Scratch) -> Scratch:
    """Three migrations, applied in three runs."""
    for number, name in enumerate("abc", 1):
        scratch.migration(f"000{number}_{name}", f"CREATE TABLE main.{name} ();", f"DROP TABLE main.{name};")
        scratch.migrate()
    return scratch


def undone(scratch: Scratch, *, to: str | None = None, steps: int | None = None) -> list[str]:
    return [undo.id.partition("/")[2] for undo in scratch.rollback(to=to, steps=steps)]


def test_a_rollback_undoes_the_last_one(three: Scratch) -> None:
    assert undone(three) == ["0003_c"]
    assert three.tables() == {"a", "b"}
    assert three.events()[-1] == ("rolled back", "0003_c")
    assert three.column("SELECT migration_id FROM main._yoyo_migration ORDER BY 1") == ["0001_a", "0002_b"]
    assert three.states() == {"0001_a": "applied", "0002_b": "applied", "0003_c": "pending"}


def test_a_rollback_undoes_so_many_steps_newest_first(three: Scratch) -> None:
    assert undone(three, steps=2) == ["0003_c", "0002_b"]
    assert three.tables() == {"a"}


def test_more_steps_than_there_are_undo_all(three: Scratch) -> None:
    assert undone(three, steps=9) == ["0003_c", "0002_b", "0001_a"]
    assert three.tables() == set()


@pytest.mark.parametrize("to", ["0001_a", "main/0001_a", "0001", "1"])
def test_a_rollback_to_a_migration_leaves_that_one(three: Scratch, to: str) -> None:
    assert undone(three, to=to) == ["0003_c", "0002_b"]
    assert three.tables() == {"a"}


def test_a_rollback_to_zero_and_back_is_the_same(three: Scratch) -> None:
    assert undone(three, to="0") == ["0003_c", "0002_b", "0001_a"]
    assert three.tables() == set()

    three.migrate()

    assert three.tables() == {"a", "b", "c"}
    assert set(three.states().values()) == {"applied"}
    assert undone(three, to="0") == ["0003_c", "0002_b", "0001_a"]


def test_a_rollback_to_the_last_one_does_nothing(three: Scratch) -> None:
    assert undone(three, to="0003_c") == []


def test_a_rollback_to_what_is_not_applied_is_refused(three: Scratch) -> None:
    with pytest.raises(ConfigurationError, match="'0004_d' is not applied"):
        three.rollback(to="0004_d")


def test_a_rollback_of_nothing_does_nothing(scratch: Scratch) -> None:
    assert undone(scratch) == []


@pytest.mark.parametrize("change", ["edited", "deleted", "broken"])
def test_the_stored_text_counts_whatever_became_of_the_file(three: Scratch, change: str) -> None:
    file = three.root / "migrations/main/0003_c.rollback.sql"
    match change:
        case "edited":
            file.write_text("SELECT 1 / 0;", encoding="utf-8")
        case "broken":
            file.write_text("SELEKT 'a", encoding="utf-8")
        case _:
            file.unlink()
            file.with_name("0003_c.sql").unlink()

    assert undone(three) == ["0003_c"]
    assert three.tables() == {"a", "b"}


def test_where_a_text_is_missing_nothing_is_undone(scratch: Scratch) -> None:
    scratch.migration("0001_a", "-- irreversible: rows were merged\nCREATE TABLE main.a ();", None)
    scratch.migration("0002_b", "CREATE TABLE main.b ();", "DROP TABLE main.b;")
    scratch.migrate()

    with pytest.raises(ConfigurationError) as caught:
        scratch.rollback(to="0")

    assert "main/0001_a can't be rolled back: it is irreversible (rows were merged)" in caught.value.message
    assert scratch.tables() == {"a", "b"}
    assert undone(scratch) == ["0002_b"]


def test_a_failure_stops_there_and_leaves_the_newer_ones_undone(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a ();", "DROP TABLE main.a;")
    scratch.migration("0002_b", "CREATE TABLE main.b ();", "DROP TABLE main.b;\nSELECT 1 / 0;")
    scratch.migration("0003_c", "CREATE TABLE main.c ();", "DROP TABLE main.c;")
    scratch.migrate()

    with pytest.raises(DbkitError) as caught:
        scratch.rollback(to="0")

    assert caught.value.sqlstate == "22012"
    assert "rollback of main/0002_b" in caught.value.message
    assert scratch.tables() == {"a", "b"}
    assert scratch.states() == {"0001_a": "applied", "0002_b": "applied", "0003_c": "pending"}
    assert scratch.events()[-1] == ("failed", "0002_b")


def test_change_and_mark_go_out_together_or_not_at_all(three: Scratch, connection: Connection) -> None:
    connection.execute(
        """
        CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.event = 'rolled back' THEN RAISE 'no mark'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON dbkit.journal FOR EACH ROW EXECUTE FUNCTION public.refuse();
        """
    )

    with pytest.raises(DbkitError, match="no mark"):
        three.rollback()

    assert three.tables() == {"a", "b", "c"}
    assert three.states()["0003_c"] == "applied"


def test_a_rollback_runs_as_the_owner(three: Scratch) -> None:
    three.migration("0004_d", "SELECT 1;", "CREATE TABLE main.left_behind ();")
    three.migrate()
    three.rollback()

    assert three.value("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'left_behind'") == "scratch_main_owner"


def test_routines_return_to_the_release_before(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);", "DROP TABLE main.a;")
    scratch.routine("f", body(1))
    scratch.migrate()
    scratch.migration("0002_b", "ALTER TABLE main.a ADD j integer;", "ALTER TABLE main.a DROP COLUMN j;")
    scratch.routine("f", body(2))
    scratch.routine("v", "CREATE OR REPLACE VIEW main.v AS SELECT j FROM main.a;")
    scratch.migrate()

    scratch.rollback()

    assert scratch.value("SELECT main.f()") == 1
    assert scratch.tables() == {"a"}
    assert set(scratch.status().routines_pending) == {"main/f", "main/v"}

    scratch.migrate()

    assert scratch.value("SELECT main.f()") == 2
    assert scratch.tables() == {"a", "v"}
    assert scratch.status().is_current


def test_a_view_in_the_way_of_a_rollback_comes_back_in_its_old_shape(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);", "DROP TABLE main.a;")
    scratch.routine("v", "CREATE OR REPLACE VIEW main.v AS SELECT i FROM main.a;\nGRANT SELECT ON main.v TO scratch_main_app;")
    scratch.migrate()
    scratch.migration("0002_b", "ALTER TABLE main.a ADD j integer;", "ALTER TABLE main.a DROP COLUMN j;")
    scratch.routine("v", "CREATE OR REPLACE VIEW main.v AS SELECT i, j FROM main.a;\nGRANT SELECT ON main.v TO scratch_main_app;")
    scratch.migrate()

    scratch.rollback()

    assert scratch.column("SELECT attname FROM pg_attribute WHERE attrelid = 'main.v'::regclass AND attnum > 0 AND NOT attisdropped") == [
        "i"
    ]
    assert scratch.value("SELECT has_table_privilege('scratch_main_app', 'main.v', 'SELECT')")


def test_a_rollback_to_nothing_takes_the_routines_along(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);", "DROP TABLE main.a;")
    scratch.routine(
        "a_total", "CREATE OR REPLACE FUNCTION main.total() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT sum(i) FROM main.v; END;"
    )
    scratch.routine("b_view", "CREATE OR REPLACE VIEW main.v AS SELECT i FROM main.a;")
    scratch.routine("f", body(1))
    scratch.migrate()

    scratch.rollback(to="0")

    assert scratch.tables() == set()
    assert scratch.column("SELECT proname FROM pg_proc WHERE pronamespace = 'main'::regnamespace") == []

    scratch.migrate()

    assert scratch.value("SELECT main.total() IS NULL AND main.f() = 1")
    assert scratch.status().is_current


def test_one_of_several_migrations_of_a_run_leaves_the_runs_routines(scratch: Scratch) -> None:
    """There is no state of then to return to: the routines of the run were deployed after all of them."""
    scratch.migration("0001_a", "CREATE TABLE main.a ();", "DROP TABLE main.a;")
    scratch.migration("0002_b", "CREATE TABLE main.b ();", "DROP TABLE main.b;")
    scratch.routine("f", body(1))
    scratch.migrate()

    scratch.rollback()

    assert scratch.value("SELECT main.f()") == 1
    assert scratch.tables() == {"a"}
