"""What CREATE OR REPLACE can't change is dropped by exact signature and made again with its privileges, or refused with names."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from dbkit.errors import ConfigurationError, DbkitError
from dbkit.migrate.engine import Event
from scratch import Scratch

Connection = psycopg.Connection[tuple[Any, ...]]


def function(arguments: str = "", returns: str = "integer", body: str = "SELECT 1", name: str = "f") -> str:
    return f"CREATE OR REPLACE FUNCTION main.{name}({arguments}) RETURNS {returns} LANGUAGE sql STABLE AS '{body}';\n"


def atomic(name: str, query: str, returns: str = "bigint") -> str:
    return f"CREATE OR REPLACE FUNCTION main.{name}() RETURNS {returns} LANGUAGE sql STABLE BEGIN ATOMIC {query}; END;\n"


@pytest.fixture
def shop(scratch: Scratch) -> Scratch:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer, j integer);", "DROP TABLE main.a;")
    scratch.routine("f", function())
    scratch.routine("v", "CREATE OR REPLACE VIEW main.v AS SELECT i, j FROM main.a;")
    scratch.migrate()
    return scratch


def failure(scratch: Scratch) -> DbkitError:
    with pytest.raises(DbkitError) as caught:
        scratch.migrate()
    return caught.value


def functions(scratch: Scratch) -> list[str]:
    return scratch.column(
        "SELECT proname || '(' || pg_get_function_arguments(oid) || ') ' || pg_get_function_result(oid)"
        " FROM pg_proc WHERE pronamespace = 'main'::regnamespace ORDER BY 1"
    )


def may(scratch: Scratch, role: str, thing: str) -> bool:
    kind = "function" if "(" in thing else "table"
    privilege = "EXECUTE" if "(" in thing else "SELECT"
    return bool(scratch.value(f"SELECT has_{kind}_privilege('scratch_main_{role}', %s, %s)", thing, privilege))


@pytest.mark.parametrize(
    ("after", "there"),
    [
        (function(returns="bigint"), "f() bigint"),
        (function("i integer"), "f(i integer) integer"),
        (function("i integer DEFAULT 1", "text", "SELECT i::text"), "f(i integer DEFAULT 1) text"),
        (function("OUT o integer", "integer"), "f(OUT o integer) integer"),
        ("CREATE OR REPLACE PROCEDURE main.f() LANGUAGE sql AS 'SELECT 1';", "f() "),
    ],
)
def test_a_changed_signature_or_result_drops_the_old_one_and_keeps_its_privileges(
    shop: Scratch, connection: Connection, after: str, there: str
) -> None:
    connection.execute("REVOKE ALL ON FUNCTION main.f() FROM PUBLIC; GRANT EXECUTE ON FUNCTION main.f() TO scratch_main_app")
    shop.routine("f", after)

    shop.migrate()

    assert [
        found or ""
        for found in shop.column(
            "SELECT proname || '(' || pg_get_function_arguments(oid) || ') ' || coalesce(pg_get_function_result(oid), '')"
            " FROM pg_proc WHERE pronamespace = 'main'::regnamespace"
        )
    ] == [there]
    (oid,) = shop.column("SELECT oid FROM pg_proc WHERE pronamespace = 'main'::regnamespace")
    may_call = "SELECT has_function_privilege(%s, %s::oid, 'EXECUTE')"
    assert shop.value(may_call, "scratch_main_app", oid)
    assert not shop.value(may_call, "scratch_main_readonly", oid)
    assert shop.migrate().is_empty


def test_the_name_of_a_parameter_may_change_too(shop: Scratch) -> None:
    shop.routine("g", function("i integer", name="g"))
    shop.migrate()
    shop.routine("g", function("k integer", name="g"))

    shop.migrate()

    assert functions(shop) == ["f() integer", "g(k integer) integer"]


def test_the_files_own_grants_come_on_top_of_those_that_were_kept(shop: Scratch, connection: Connection) -> None:
    connection.execute(
        "GRANT EXECUTE ON FUNCTION main.f() TO scratch_main_app WITH GRANT OPTION; REVOKE ALL ON FUNCTION main.f() FROM PUBLIC"
    )
    shop.routine(
        "f",
        function(returns="bigint") + "REVOKE ALL ON FUNCTION main.f() FROM scratch_main_app;\n"
        "GRANT EXECUTE ON FUNCTION main.f() TO scratch_main_ops;",
    )

    shop.migrate()

    assert (may(shop, "app", "main.f()"), may(shop, "ops", "main.f()"), may(shop, "readonly", "main.f()")) == (False, True, False)


def test_overloads_are_told_apart_by_their_exact_types(shop: Scratch) -> None:
    shop.routine(
        "g",
        "".join(
            function(types, name="g") for types in ("i integer", "i main.a", "i numeric(10, 2)[]", 'i "char"', "i main.a.j%TYPE, k bigint")
        ),
    )
    shop.migrate()
    shop.routine("g", "".join(function(types, name="g") for types in ("i integer", "i main.a", "i main.a.j%TYPE, k bigint")))

    shop.migrate()

    assert functions(shop) == ["f() integer", "g(i integer) integer", "g(i integer, k bigint) integer", "g(i main.a) integer"]


def test_an_overload_of_somebody_else_stays(shop: Scratch, connection: Connection) -> None:
    connection.execute("CREATE FUNCTION main.f(text) RETURNS text LANGUAGE sql AS 'SELECT $1'")
    shop.routine("f", function("i integer"))

    shop.migrate()

    assert functions(shop) == ["f(i integer) integer", "f(text) text"]


def test_what_of_ours_depends_on_it_is_made_again(shop: Scratch, connection: Connection) -> None:
    shop.routine("g", atomic("g", "SELECT main.f()", "integer"))
    shop.routine("w", "CREATE OR REPLACE VIEW main.w AS SELECT main.g() AS g;\nGRANT SELECT ON main.w TO scratch_main_app;")
    shop.migrate()
    connection.execute("GRANT SELECT (g) ON main.w TO scratch_main_ops; REVOKE ALL ON FUNCTION main.g() FROM PUBLIC")
    before = {"text": shop.column("SELECT oid::text FROM pg_class WHERE relname = 'v'")}
    shop.routine("f", function("i integer DEFAULT 7"))
    events: list[Event] = []

    shop.migrate(events=events)

    assert [event.object for event in events if event.kind == "deployed"] == ["main/f", "main/g", "main/w"]
    assert may(shop, "app", "main.w")
    assert shop.value("SELECT has_column_privilege('scratch_main_ops', 'main.w', 'g', 'SELECT')")
    assert not may(shop, "readonly", "main.g()")
    assert before["text"] == shop.column("SELECT oid::text FROM pg_class WHERE relname = 'v'")
    assert shop.status().is_current
    assert shop.status().routines_changed == ()


def test_a_file_whose_first_half_depends_on_its_second_is_whole_in_the_end(shop: Scratch) -> None:
    view = "CREATE OR REPLACE VIEW main.w AS SELECT main.g() AS g;\n"
    shop.routine("g", function(name="g") + view)
    shop.migrate()
    shop.routine("g", view + function(name="g", returns="bigint"))

    shop.migrate()

    assert shop.tables() == {"a", "v", "w"}
    assert functions(shop) == ["f() integer", "g() bigint"]
    assert shop.status().routines_changed == ()


@pytest.mark.parametrize(
    ("dependent", "named"),
    [
        ("CREATE VIEW public.report AS SELECT main.f() AS f", "view public.report"),
        ("ALTER TABLE main.a ADD CONSTRAINT a_check CHECK (i > main.f())", "constraint a_check on table main.a"),
        ("ALTER TABLE main.a ALTER i SET DEFAULT main.f()", "default value for column i of table main.a"),
        ("CREATE POLICY p ON main.a USING (i = main.f())", "policy p on table main.a"),
    ],
)
def test_a_new_signature_is_refused_while_something_else_depends_on_the_old_one(
    shop: Scratch, connection: Connection, dependent: str, named: str
) -> None:
    connection.execute(dependent.encode())
    file = shop.routine("f", function(returns="bigint"))
    before = shop.events()

    error = failure(shop)

    assert error.sqlstate == "2BP01"
    assert "FUNCTION main.f()" in error.message
    assert named in error.message
    assert error.where == f"{file}:1"
    assert functions(shop) == ["f() integer"]
    assert shop.events() == before


def test_something_that_depends_on_what_depends_on_it_is_named_too(shop: Scratch, connection: Connection) -> None:
    shop.routine("g", atomic("g", "SELECT main.f()", "integer"))
    shop.migrate()
    connection.execute("CREATE VIEW public.report AS SELECT main.g() AS g")
    shop.routine("f", function(returns="bigint"))

    assert "view public.report" in failure(shop).message


def test_what_was_changed_by_hand_is_not_dropped_on_the_way(shop: Scratch, connection: Connection) -> None:
    shop.routine("g", atomic("g", "SELECT main.f()", "integer"))
    shop.migrate()
    connection.execute(atomic("g", "SELECT main.f() + 1", "integer"))
    shop.routine("f", function(returns="bigint"))

    assert "FUNCTION main.g() (main/g)" in failure(shop).message

    shop.migrate(by_hand="overwrite")
    assert functions(shop) == ["f() bigint", "g() integer"]
    assert shop.value("SELECT main.g()") == 1


def test_an_object_of_another_file_is_not_dropped(shop: Scratch) -> None:
    shop.routine("z", function(returns="bigint"))

    assert failure(shop).sqlstate == "42P13"
    assert functions(shop) == ["f() integer"]


def test_an_object_may_move_to_another_file(shop: Scratch) -> None:
    shop.routine("f", "SELECT 1;")
    shop.routine("z", function(returns="bigint"))

    shop.migrate()

    assert functions(shop) == ["f() bigint"]
    assert shop.column("SELECT routine FROM dbkit.definition WHERE object = 'FUNCTION main.f()'") == ["main/z"]


@pytest.mark.parametrize("columns", ["j", "i AS k, j", "i::text AS i, j", "j, i"])
def test_a_view_may_lose_rename_and_retype_columns(shop: Scratch, connection: Connection, columns: str) -> None:
    shop.routine("w", "CREATE OR REPLACE VIEW main.w AS SELECT j FROM main.v;\nGRANT SELECT ON main.w TO scratch_main_app;")
    shop.migrate()
    connection.execute("GRANT SELECT ON main.v, main.w TO scratch_main_readonly")
    shop.routine("v", f"CREATE OR REPLACE VIEW main.v AS SELECT {columns} FROM main.a;")

    shop.migrate()

    assert may(shop, "readonly", "main.v")
    assert may(shop, "readonly", "main.w")
    assert may(shop, "app", "main.w")
    assert shop.status().is_current


def test_a_view_that_something_else_reads_keeps_its_columns(shop: Scratch, connection: Connection) -> None:
    connection.execute("CREATE VIEW public.report AS SELECT i FROM main.v")
    connection.execute("CREATE FUNCTION public.rows() RETURNS SETOF main.v LANGUAGE sql AS 'SELECT * FROM main.v'")
    shop.routine("v", "CREATE OR REPLACE VIEW main.v AS SELECT j FROM main.a;")

    error = failure(shop)

    assert "view public.report" in error.message
    assert "function public.rows()" in error.message
    assert shop.value("SELECT count(*) FROM public.report") == 0


def test_what_a_migration_had_in_its_way_comes_back_with_privileges_that_no_file_gives(shop: Scratch, connection: Connection) -> None:
    connection.execute("GRANT SELECT ON main.v TO scratch_main_readonly")
    shop.migration("0002_b", "ALTER TABLE main.a ALTER j TYPE bigint;")

    shop.migrate()

    assert may(shop, "readonly", "main.v")


def test_a_rollback_returns_to_the_old_signature_with_its_privileges(shop: Scratch, connection: Connection) -> None:
    shop.routine("g", atomic("g", "SELECT main.f()", "integer"))
    shop.migrate()
    shop.migration("0002_b", "CREATE TABLE main.b ();", "DROP TABLE main.b;")
    shop.routine("f", function("i integer DEFAULT 7", "bigint"))
    shop.routine("g", atomic("g", "SELECT main.f()"))
    shop.migrate()
    connection.execute(
        "REVOKE ALL ON FUNCTION main.f(integer), main.g() FROM PUBLIC; GRANT EXECUTE ON FUNCTION main.g() TO scratch_main_app"
    )

    shop.rollback()

    assert functions(shop) == ["f() integer", "g() integer"]
    assert may(shop, "app", "main.g()")
    assert not may(shop, "readonly", "main.g()")
    assert not may(shop, "readonly", "main.f()")
    assert shop.status().routines_changed == ()

    shop.migrate()

    assert functions(shop) == ["f(i integer DEFAULT 7) bigint", "g() bigint"]
    assert shop.status().is_current


# files that are gone


def test_an_orphan_is_reported_and_dropped_when_asked(shop: Scratch) -> None:
    (shop.root / "schemas/main/f.sql").unlink()
    assert "f is deployed, but its file is gone" in shop.call("migrate", code=0).out
    assert "its file is gone" in shop.call("status", code=0).out
    assert functions(shop) == ["f() integer"]

    told = shop.call("migrate", "--prune", code=0)

    assert "pruned      f" in told.out
    assert functions(shop) == []
    assert shop.events()[-1] == ("dropped", "f")
    assert shop.status().routines_gone == ()
    assert shop.migrate().is_empty


def test_orphans_that_depend_on_each_other_go_together(shop: Scratch) -> None:
    shop.routine("g", atomic("g", "SELECT sum(i) FROM main.v"))
    shop.migrate()
    for name in ("v", "g"):
        (shop.root / f"schemas/main/{name}.sql").unlink()

    shop.migrate(orphans=True)

    assert shop.tables() == {"a"}
    assert functions(shop) == ["f() integer"]


@pytest.mark.parametrize("whose", ["somebody else's", "ours"])
def test_an_orphan_that_something_depends_on_stays(shop: Scratch, connection: Connection, whose: str) -> None:
    if whose == "ours":
        shop.routine("w", "CREATE OR REPLACE VIEW main.report AS SELECT i FROM main.v;")
        shop.migrate()
    else:
        connection.execute("CREATE VIEW main.report AS SELECT i FROM main.v")
    for name in ("f", "v"):
        (shop.root / f"schemas/main/{name}.sql").unlink()

    with pytest.raises(DbkitError, match=r"view main\.report"):
        shop.migrate(orphans=True)

    assert shop.tables() == {"a", "v", "report"}
    assert functions(shop) == ["f() integer"]
    assert set(shop.status().routines_gone) == {"main/f", "main/v"}


def test_an_orphan_that_was_changed_by_hand_is_asked_about(shop: Scratch, connection: Connection) -> None:
    connection.execute(function(body="SELECT 7"))
    (shop.root / "schemas/main/f.sql").unlink()

    with pytest.raises(DbkitError, match="changed by hand"):
        shop.migrate(orphans=True)
    shop.migrate(orphans=True, by_hand="overwrite")

    assert functions(shop) == []


def test_a_trigger_of_a_partitioned_table_is_one_object(shop: Scratch, connection: Connection) -> None:
    shop.migration(
        "0002_p", "CREATE TABLE main.p (i integer) PARTITION BY LIST (i); CREATE TABLE main.p_1 PARTITION OF main.p FOR VALUES IN (1);"
    )
    shop.routine("tg", "CREATE OR REPLACE FUNCTION main.tg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;")
    shop.routine("t", "CREATE OR REPLACE TRIGGER t AFTER UPDATE ON main.p FOR EACH ROW EXECUTE FUNCTION main.tg();")
    shop.migrate()
    connection.execute("CREATE TABLE main.p_2 PARTITION OF main.p FOR VALUES IN (2)")
    assert shop.status().routines_changed == ()
    for name in ("t", "tg"):
        (shop.root / f"schemas/main/{name}.sql").unlink()

    shop.migrate(orphans=True)

    assert functions(shop) == ["f() integer"]
    assert shop.column("SELECT 1 FROM pg_trigger WHERE tgname = 't'") == []


def test_a_table_that_an_orphan_made_stays_and_is_named(shop: Scratch) -> None:
    shop.routine("t", "CREATE TABLE IF NOT EXISTS main.t (i integer);\n" + function(name="t"))
    shop.migrate()
    (shop.root / "schemas/main/t.sql").unlink()
    events: list[Event] = []

    shop.migrate(orphans=True, events=events)

    assert [(event.object, event.text) for event in events if event.kind == "pruned"] == [
        ("main/t", "main.t may hold rows and stays: drop it in a migration")
    ]
    assert shop.tables() == {"a", "t", "v"}


def test_an_orphan_whose_object_another_file_makes_now_drops_nothing(shop: Scratch) -> None:
    (shop.root / "schemas/main/f.sql").rename(shop.root / "schemas/main/g.sql")

    shop.migrate(orphans=True)

    assert functions(shop) == ["f() integer"]
    assert shop.status().routines_gone == ()


# the before phase


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("CREATE FUNCTION main.b() RETURNS bigint LANGUAGE sql\nBEGIN ATOMIC\nSELECT count(*)\nFROM main.a; END;", 5),
        ("CREATE FUNCTION main.b() RETURNS bigint LANGUAGE sql AS $$\n-- from main.c\nSELECT count(*) FROM main.a $$;", 4),
        ("CREATE FUNCTION main.b() RETURNS void LANGUAGE plpgsql AS $$\nBEGIN\n    INSERT INTO main.a VALUES (1);\nEND $$;", 4),
        ("CREATE VIEW main.b AS\nSELECT * FROM main.a;", 3),
    ],
)
def test_a_before_routine_may_name_no_table_of_the_service(scratch: Scratch, text: str, line: int) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);")
    file = scratch.routine("b", f"-- phase: before\n{text}")

    with pytest.raises(ConfigurationError) as caught:
        scratch.migrate()

    assert "names main.a" in caught.value.message
    assert caught.value.where == f"{file}:{line}"
    assert scratch.value("SELECT to_regclass('main.a')") is None


def test_a_before_routine_may_name_what_before_routines_make_and_call_functions(scratch: Scratch) -> None:
    scratch.routine("t", "-- phase: before\nCREATE TABLE IF NOT EXISTS main.t (i integer);\nCOMMENT ON TABLE main.t IS 'from main.x';")
    scratch.routine("one", "-- phase: before\nCREATE FUNCTION main.one() RETURNS SETOF integer LANGUAGE sql AS 'SELECT 1';")
    scratch.routine(
        "u",
        "-- phase: before\n-- depends: t, one\nCREATE FUNCTION main.u() RETURNS bigint LANGUAGE sql AS\n"
        "'SELECT count(*) FROM main.t, main.one()';",
    )

    scratch.migrate()

    assert scratch.value("SELECT main.u()") == 0


def check(limit: int, comment: str = "") -> str:
    text = f"CREATE OR REPLACE FUNCTION main.is_fine(i integer) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN i > {limit};"
    return f"-- phase: before\n{comment}\n{text}"


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ("CREATE TABLE main.a (i integer CONSTRAINT a_check CHECK (main.is_fine(i)));", "constraint a_check on table main.a"),
        ("CREATE TABLE main.a (i integer); CREATE INDEX a_idx ON main.a (main.is_fine(i));", "index main.a_idx"),
        ("CREATE TABLE main.a (i integer); CREATE INDEX a_idx ON main.a (i) WHERE main.is_fine(i);", "index main.a_idx"),
        ("CREATE TABLE main.a (i integer, b boolean GENERATED ALWAYS AS (main.is_fine(i)) STORED);", "column b of table main.a"),
        ("CREATE TABLE main.a (i integer) PARTITION BY LIST ((main.is_fine(i)));", "table main.a"),
        ("CREATE DOMAIN main.d AS integer CONSTRAINT d_check CHECK (main.is_fine(VALUE));", "constraint d_check"),
    ],
)
def test_a_before_routine_that_rows_were_judged_or_stored_by_is_not_changed(scratch: Scratch, table: str, named: str) -> None:
    file = scratch.routine("is_fine", check(0))
    scratch.migration("0001_a", table)
    scratch.migrate()
    scratch.routine("is_fine", check(0, "-- words may change"))
    scratch.migrate()
    scratch.routine("is_fine", check(1))
    before = scratch.events()

    error = failure(scratch)

    assert named in error.message
    assert error.where == f"{file}:1"
    assert "new function" in f"{error.hint}"
    assert scratch.value("SELECT main.is_fine(1)") is True
    assert scratch.events() == before


def test_a_stored_value_is_found_behind_a_function_that_calls_it(scratch: Scratch) -> None:
    scratch.routine("is_fine", check(0))
    scratch.routine(
        "is_good",
        "-- phase: before\n-- depends: is_fine\nCREATE FUNCTION main.is_good(i integer) RETURNS boolean IMMUTABLE RETURN main.is_fine(i);",
    )
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer CONSTRAINT a_check CHECK (main.is_good(i)));")
    scratch.migrate()
    scratch.routine("is_fine", check(1))

    assert "constraint a_check" in failure(scratch).message


def test_a_default_stores_nothing_of_its_function(scratch: Scratch) -> None:
    text = "-- phase: before\nCREATE OR REPLACE FUNCTION main.new_id() RETURNS integer LANGUAGE sql RETURN {};"
    scratch.routine("new_id", text.format(1))
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer DEFAULT main.new_id());")
    scratch.migrate()
    scratch.routine("new_id", text.format(2))

    scratch.migrate()

    assert scratch.value("SELECT main.new_id()") == 2


def test_a_before_routine_with_a_new_result_makes_its_dependents_of_the_after_phase_again(scratch: Scratch) -> None:
    text = "-- phase: before\nCREATE OR REPLACE FUNCTION main.one() RETURNS {} LANGUAGE sql IMMUTABLE AS 'SELECT 1';"
    scratch.routine("one", text.format("integer"))
    scratch.routine("v", "CREATE OR REPLACE VIEW main.v AS SELECT main.one() AS one;\nGRANT SELECT ON main.v TO scratch_main_app;")
    scratch.migrate()
    scratch.routine("one", text.format("smallint").replace("SELECT 1", "SELECT 1::smallint"))

    scratch.migrate()

    assert scratch.value("SELECT pg_typeof(one)::text FROM main.v") == "smallint"
    assert may(scratch, "app", "main.v")
    assert scratch.status().is_current


def test_the_dry_run_names_what_stands_in_the_way(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a (id bigint, note text);", "DROP TABLE main.a;")
    scratch.routine("notes", "CREATE OR REPLACE VIEW main.notes AS SELECT note FROM main.a;")
    scratch.migrate()
    scratch.migration("0002_b", "ALTER TABLE main.a ALTER note TYPE varchar(10);", "ALTER TABLE main.a ALTER note TYPE text;")

    told = scratch.call("migrate", "--dry-run", code=0).out

    assert "in the way" in told
    assert "VIEW main.notes" in told
    scratch.migrate()
    assert scratch.tables() == {"a", "notes"}


F_MADE = "CREATE FUNCTION main.f(i integer) RETURNS integer LANGUAGE sql AS 'SELECT i';"


@pytest.mark.parametrize(
    ("made", "view", "gone"),
    [
        ("CREATE DOMAIN main.d AS integer;", "SELECT 1::main.d AS one", "DROP DOMAIN main.d;"),
        ("CREATE SEQUENCE main.s;", "SELECT last_value FROM main.s", "DROP SEQUENCE main.s;"),
        (F_MADE, "SELECT main.f(1) AS one", "DROP FUNCTION main.f(integer);"),
        (F_MADE, "SELECT main.f(1) AS one", "SET search_path = main; DROP FUNCTION f;"),
        ("CREATE TABLE main.a (i integer);", "SELECT i FROM main.a", "SET search_path = main;\nALTER TABLE a DROP COLUMN i; DROP TABLE a;"),
    ],
)
def test_what_stands_on_what_a_rollback_ends_goes_with_it(scratch: Scratch, made: str, view: str, gone: str) -> None:
    scratch.migration("0001_a", made, gone)
    scratch.routine("v", f"CREATE OR REPLACE VIEW main.v AS {view};")
    scratch.migrate()

    scratch.call("rollback", "main", code=0)

    assert scratch.tables() == set()


def test_a_trigger_goes_with_the_function_that_a_migration_ends(scratch: Scratch) -> None:
    function = "CREATE FUNCTION main.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;"
    scratch.migration("0001_a", f"CREATE TABLE main.a (i integer);\n{function}", "DROP FUNCTION main.f;\nDROP TABLE main.a;")
    scratch.routine("t", "CREATE OR REPLACE TRIGGER t BEFORE INSERT ON main.a FOR EACH ROW EXECUTE FUNCTION main.f();")
    scratch.migrate()

    scratch.call("rollback", "main", code=0)

    assert scratch.tables() == set()
    scratch.migrate()
    assert scratch.column("SELECT tgname FROM pg_trigger WHERE tgrelid = 'main.a'::regclass") == ["t"]


def test_a_name_without_a_schema_is_found_on_the_databases_search_path(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE SCHEMA more; CREATE TABLE more.a (i integer, j integer);", "DROP SCHEMA more CASCADE;")
    scratch.routine("v", "CREATE OR REPLACE VIEW main.v AS SELECT i FROM more.a;")
    scratch.migrate()
    scratch.value(f'ALTER DATABASE "{scratch.database_name("main")}" SET search_path = more')
    scratch.migration("0002_b", "ALTER TABLE a ALTER i TYPE bigint;", "ALTER TABLE a ALTER i TYPE integer;")

    scratch.migrate()

    query = "SELECT atttypid::regtype::text FROM pg_attribute WHERE attrelid = 'main.v'::regclass AND attname = 'i'"
    assert scratch.value(query) == "bigint"
    assert scratch.status().is_current
