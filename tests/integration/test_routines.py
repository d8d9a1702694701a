"""Routines: what changed is deployed, all of it or nothing, in an order that works; obstacles are made again."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from dbkit.errors import DbkitError
from dbkit.migrate.engine import Event
from scratch import Scratch

Connection = psycopg.Connection[tuple[Any, ...]]

VIEW = "CREATE OR REPLACE VIEW main.v AS SELECT i FROM main.a;\nGRANT SELECT ON main.v TO scratch_main_readonly;\n"
ATOMIC = "CREATE OR REPLACE FUNCTION main.total() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT sum(i) FROM main.v; END;\n"
TRIGGER_FUNCTION = "CREATE OR REPLACE FUNCTION main.tg_a() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;\n"
TRIGGER = "CREATE OR REPLACE TRIGGER a_touch BEFORE UPDATE OF i ON main.a FOR EACH ROW EXECUTE FUNCTION main.tg_a();\n"


def body(value: int) -> str:
    return f"CREATE OR REPLACE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT {value}';\n"


@pytest.fixture
def shop(scratch: Scratch) -> Scratch:
    """A table, and routines that hang on each other and on it."""
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer, j integer);", "DROP TABLE main.a;")
    scratch.routine("a_total", ATOMIC)
    scratch.routine("b_view", VIEW)
    scratch.routine("c_trigger", TRIGGER)
    scratch.routine("d_trigger_function", TRIGGER_FUNCTION)
    scratch.routine("e_free", body(1))
    scratch.migrate()
    return scratch


def deployed(scratch: Scratch) -> list[str]:
    return [name for event, name in scratch.events() if event == "deployed"]


def failure(scratch: Scratch) -> DbkitError:
    with pytest.raises(DbkitError) as caught:
        scratch.migrate()
    return caught.value


def test_routines_are_deployed_in_an_order_that_works(shop: Scratch) -> None:
    names = deployed(shop)

    assert names.index("b_view") < names.index("a_total")
    assert names.index("d_trigger_function") < names.index("c_trigger")
    assert sorted(names) == ["a_total", "b_view", "c_trigger", "d_trigger_function", "e_free"]


def test_only_what_changed_is_deployed_again(shop: Scratch, connection: Connection) -> None:
    query = b"SELECT proname, xmin::text FROM pg_proc WHERE pronamespace = 'main'::regnamespace ORDER BY 1"
    before: dict[str, Any] = dict(connection.execute(query).fetchall())
    shop.routine("e_free", body(2))

    shop.migrate()

    after: dict[str, Any] = dict(connection.execute(query).fetchall())
    assert {name for name in after if after[name] != before[name]} == {"f"}
    assert deployed(shop)[5:] == ["e_free"]
    assert shop.value("SELECT main.f()") == 2


def test_a_routine_whose_number_changed_in_the_manifest_is_deployed_again(scratch: Scratch) -> None:
    scratch.describe(more="[services.main.rules]\nlimit = 5\n")
    scratch.write(
        "schemas/main/limit.sql.j2", "CREATE OR REPLACE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT {{ rules.limit }}';"
    )
    scratch.migrate()

    scratch.describe(more="[services.main.rules]\nlimit = 6\n")
    scratch.migrate()

    assert scratch.value("SELECT main.f()") == 6


@pytest.mark.parametrize(
    ("text", "sqlstate"),
    [
        ("CREATE OR REPLACE FUNCTION main.g() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RETUN 1; END $$;", "42601"),
        ("CREATE OR REPLACE FUNCTION main.g() RETURNS integer LANGUAGE sql AS $$ SELECT nothing FROM main.nowhere $$;", "42P01"),
        ("CREATE OR REPLACE VIEW main.w AS SELECT nothing FROM main.a;", "42703"),
        ("CREATE OR REPLACE VIEW main.v AS SELECT 'text'::text AS i FROM main.a;", "42P16"),
        ("CREATE OR REPLACE FUNCTION main.f() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';", "42P13"),
    ],
)
def test_a_routine_that_does_not_work_stops_the_deploy_and_nothing_of_it_is_in(shop: Scratch, text: str, sqlstate: str) -> None:
    shop.routine("a_first", "CREATE OR REPLACE FUNCTION main.first() RETURNS integer LANGUAGE sql AS 'SELECT 1';")
    broken = shop.routine("z_broken", text)
    before = shop.events()

    error = failure(shop)

    assert error.sqlstate == sqlstate
    assert error.where == f"{broken}:1"
    assert shop.value("SELECT to_regproc('main.first')") is None
    assert shop.events() == before
    assert set(shop.status().routines_pending) == {"main/a_first", "main/z_broken"}

    shop.routine("z_broken", "SELECT 1;")
    shop.migrate()

    assert shop.value("SELECT main.first()") == 1


def test_bodies_that_call_each_other_are_deployed_together(scratch: Scratch) -> None:
    scratch.routine(
        "a", "CREATE FUNCTION main.a(n integer) RETURNS integer LANGUAGE sql AS $$ SELECT CASE n WHEN 0 THEN 0 ELSE main.b(n - 1) END $$;"
    )
    scratch.routine(
        "b", "CREATE FUNCTION main.b(n integer) RETURNS integer LANGUAGE sql AS $$ SELECT CASE n WHEN 0 THEN 0 ELSE main.a(n - 1) END $$;"
    )

    scratch.migrate()

    assert scratch.value("SELECT main.a(5)") == 0


def test_a_before_routine_is_there_when_a_migration_needs_it(scratch: Scratch) -> None:
    scratch.routine(
        "is_fine",
        "-- phase: before\nCREATE OR REPLACE FUNCTION main.is_fine(i integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT i > 0';",
    )
    scratch.routine("v", "CREATE OR REPLACE VIEW main.v AS SELECT * FROM main.a;")
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer CONSTRAINT a_check CHECK (main.is_fine(i)));", "DROP TABLE main.a;")

    scratch.migrate()

    assert scratch.events() == [("deployed", "is_fine"), ("applied", "0001_a"), ("deployed", "v")]


def test_a_routine_for_another_server_is_left_out(scratch: Scratch, connection: Connection) -> None:
    major = connection.info.server_version // 10000
    scratch.routine("old", f"-- server: < {major}\nCREATE FUNCTION main.old() RETURNS integer LANGUAGE sql AS 'SELECT 1';")
    scratch.routine("new", f"-- server: >= {major}\nCREATE FUNCTION main.new() RETURNS integer LANGUAGE sql AS 'SELECT 1';")

    scratch.migrate()

    assert deployed(scratch) == ["new"]
    assert scratch.migrate().is_empty
    assert scratch.status().is_current


def test_a_routine_whose_file_is_gone_is_reported_and_stays(shop: Scratch) -> None:
    (shop.root / "schemas/main/e_free.sql").unlink()

    plan = shop.migrate()

    assert plan.is_empty
    assert plan.routines.gone == ("main/e_free",)
    assert shop.status().routines_gone == ("main/e_free",)
    assert shop.value("SELECT main.f()") == 1


def shapes(connection: Connection) -> dict[str, Any]:
    """Return what is there of views, functions and triggers, with who may use them."""
    rows = connection.execute(
        """
        SELECT 'view ' || relname, relacl::text FROM pg_class WHERE relnamespace = 'main'::regnamespace AND relkind = 'v'
        UNION ALL SELECT 'function ' || proname, proacl::text FROM pg_proc WHERE pronamespace = 'main'::regnamespace
        UNION ALL SELECT 'trigger ' || tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal
        """
    ).fetchall()
    return dict(rows)


@pytest.mark.parametrize(
    ("script", "dropped"),
    [
        ("ALTER TABLE main.a DROP COLUMN j;", {"a_total", "b_view", "c_trigger"}),
        ("ALTER TABLE main.a ALTER COLUMN i TYPE bigint;", {"a_total", "b_view", "c_trigger"}),
        ("DROP TABLE main.a; CREATE TABLE main.a (i bigint);", {"a_total", "b_view", "c_trigger"}),
    ],
)
def test_what_stands_in_a_migrations_way_is_dropped_and_made_again(
    shop: Scratch, connection: Connection, script: str, dropped: set[str]
) -> None:
    before = shapes(connection)
    assert "scratch_main_readonly" in before["view v"]
    events: list[Event] = []
    shop.migration("0002_b", script)

    shop.migrate(events=events)

    assert {event.object.partition("/")[2] for event in events if event.kind == "in the way"} == dropped
    assert shapes(connection) == before
    assert shop.status().is_current
    assert {name for event, name in shop.events() if event == "dropped"} == dropped


def test_what_is_not_in_the_way_is_left_alone(shop: Scratch, connection: Connection) -> None:
    query = b"SELECT oid, xmin::text FROM pg_proc WHERE proname IN ('f', 'tg_a') ORDER BY 1"
    before = connection.execute(query).fetchall()
    shop.migration("0002_b", "CREATE TABLE main.b (i integer); ALTER TABLE main.a ADD k integer;")

    shop.migrate()

    assert connection.execute(query).fetchall() == before
    assert not [name for event, name in shop.events() if event == "dropped"]


def test_a_failure_after_the_way_was_cleared_brings_everything_back(shop: Scratch, connection: Connection) -> None:
    before = shapes(connection)
    shop.migration("0002_b", "ALTER TABLE main.a DROP COLUMN i;\nSELECT 1 / 0;")

    assert failure(shop).sqlstate == "22012"
    assert shapes(connection) == before


def test_a_view_that_is_not_ours_is_named_by_the_server_and_stays(shop: Scratch, connection: Connection) -> None:
    connection.execute("CREATE VIEW public.report AS SELECT j FROM main.a")
    shop.migration("0002_b", "ALTER TABLE main.a DROP COLUMN j;")

    error = failure(shop)

    assert error.sqlstate == "2BP01"
    assert "report" in error.message
    assert connection.execute("SELECT count(*) FROM public.report").fetchone() == (0,)


def test_a_routine_that_no_longer_fits_the_new_shape_is_reported_and_a_run_goes_on_after_it_is_mended(shop: Scratch) -> None:
    shop.migration("0002_b", "ALTER TABLE main.a DROP COLUMN i;")

    error = failure(shop)

    assert error.sqlstate == "42703"
    assert shop.states()["0002_b"] == "applied"

    shop.routine("a_total", ATOMIC.replace("sum(i)", "sum(j)"))
    shop.routine("b_view", VIEW.replace("SELECT i FROM", "SELECT j FROM"))
    shop.routine("c_trigger", TRIGGER.replace("UPDATE OF i", "UPDATE OF j"))
    shop.migrate()

    assert shop.status().is_current
    assert shop.value("SELECT main.total() IS NULL")


def test_objects_with_names_that_need_quotes_are_made_again(scratch: Scratch) -> None:
    scratch.migration("0001_a", 'CREATE TABLE main."Order" ("Total" integer, j integer);', 'DROP TABLE main."Order";')
    scratch.routine("v", 'CREATE OR REPLACE VIEW main."The View" AS SELECT "Total" FROM main."Order";')
    scratch.migrate()
    scratch.migration("0002_b", 'ALTER TABLE main."Order" ALTER "Total" TYPE bigint;')

    scratch.migrate()

    assert scratch.tables() == {"Order", "The View"}
    assert scratch.status().is_current
