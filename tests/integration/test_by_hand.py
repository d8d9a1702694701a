"""Compare and swap: what was changed by hand is neither lost nor taken for ours; a person decides."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from dbkit.errors import DbkitError
from dbkit.migrate.engine import Event
from scratch import Scratch

Connection = psycopg.Connection[tuple[Any, ...]]

VIEW = "CREATE OR REPLACE VIEW main.v AS SELECT i FROM main.a;\n"
ATOMIC = "CREATE OR REPLACE FUNCTION main.total() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT sum(i) FROM main.v; END;\n"
TRIGGER = """
CREATE OR REPLACE FUNCTION main.tg_a() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE OR REPLACE TRIGGER a_touch BEFORE UPDATE ON main.a FOR EACH ROW EXECUTE FUNCTION main.tg_a();
"""


def body(value: int) -> str:
    return f"CREATE OR REPLACE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT {value}';\n"


@pytest.fixture
def shop(scratch: Scratch) -> Scratch:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer, j integer);", "DROP TABLE main.a;")
    scratch.routine("f", body(1))
    scratch.routine("total", ATOMIC)
    scratch.routine("trigger", TRIGGER)
    scratch.routine("v", VIEW)
    scratch.migrate()
    return scratch


@pytest.fixture
def owner(shop: Scratch, connection: Connection) -> Connection:
    """Somebody at a prompt, as the owner."""
    connection.execute("SET ROLE scratch_main_owner")
    return connection


def stopped(scratch: Scratch) -> DbkitError:
    before = scratch.events()
    with pytest.raises(DbkitError, match="changed by hand") as caught:
        scratch.migrate()
    assert scratch.events() == before
    return caught.value


def changed(scratch: Scratch) -> list[str]:
    return [suspect.object for suspect in scratch.status().routines_changed]


def test_a_deploy_stops_with_what_was_journalled_what_is_live_and_what_the_file_says(shop: Scratch, owner: Connection) -> None:
    owner.execute(body(7))
    file = shop.routine("f", body(2))
    shop.migration("0002_b", "CREATE TABLE main.b ();")

    error = stopped(shop)

    assert error.exit_code == 1
    assert error.where == f"{file}:1"
    assert "FUNCTION main.f() (main/f)" in error.message
    assert [line for line in f"{error.excerpt}".splitlines() if "SELECT" in line] == [
        "-AS $function$SELECT 1$function$;",
        "+AS $function$SELECT 7$function$;",
        "-AS $function$SELECT 1$function$;",
        "+AS $function$SELECT 2$function$;",
    ]
    assert "--adopt" in f"{error.hint}"
    assert "--overwrite" in f"{error.hint}"
    assert shop.tables() == {"a", "v"}
    assert shop.value("SELECT main.f()") == 7


@pytest.mark.parametrize(
    ("by_hand", "name"),
    [
        ("ALTER FUNCTION main.f() IMMUTABLE", "f"),
        ("ALTER FUNCTION main.f() SET search_path = main", "f"),
        ("CREATE OR REPLACE VIEW main.v AS SELECT i FROM main.a WHERE i > 0", "v"),
        ("ALTER VIEW main.v SET (security_barrier = true)", "v"),
        ("ALTER TABLE main.a DISABLE TRIGGER a_touch", "trigger"),
        ("DROP TRIGGER a_touch ON main.a", "trigger"),
        ("DROP FUNCTION main.f()", "f"),
        ("DROP FUNCTION main.f(); CREATE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT 9'", "f"),
        ("ALTER FUNCTION main.total() RENAME TO sum_of_all", "total"),
    ],
)
def test_every_kind_of_change_by_hand_is_seen(shop: Scratch, owner: Connection, by_hand: str, name: str) -> None:
    owner.execute(by_hand.encode())
    assert [suspect.routine for suspect in shop.status().routines_changed] == [f"main/{name}"]
    file = shop.root / f"schemas/main/{name}.sql"
    file.write_text(f"{file.read_text()}\n-- and more\n")

    stopped(shop)
    shop.migrate(by_hand="overwrite")

    assert changed(shop) == []
    assert shop.status().is_current


@pytest.mark.parametrize(
    "by_hand",
    [
        "GRANT EXECUTE ON FUNCTION main.f() TO scratch_main_readonly",
        "DROP FUNCTION main.f(); CREATE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "ALTER FUNCTION main.f() IMMUTABLE; ALTER FUNCTION main.f() VOLATILE",
    ],
)
def test_a_change_that_leaves_the_definition_as_it_was_is_none(shop: Scratch, owner: Connection, by_hand: str) -> None:
    owner.execute(by_hand.encode())
    shop.routine("f", body(2))

    shop.migrate()

    assert shop.value("SELECT main.f()") == 2


def test_a_change_by_hand_that_the_file_makes_too_is_no_conflict(shop: Scratch, owner: Connection) -> None:
    owner.execute(body(2))
    shop.routine("f", f"-- as was done in the night\n{body(2)}")

    shop.migrate()

    assert changed(shop) == []
    assert shop.status().is_current


def test_overwrite_puts_the_files_in_changed_or_not(shop: Scratch, owner: Connection) -> None:
    owner.execute(body(7))
    owner.execute("CREATE OR REPLACE VIEW main.v AS SELECT i FROM main.a WHERE i > 0")
    shop.routine("f", body(2))

    shop.migrate(by_hand="overwrite")

    assert shop.value("SELECT main.f()") == 2
    assert "WHERE" not in shop.value("SELECT pg_get_viewdef('main.v'::regclass)")
    assert changed(shop) == []
    assert shop.migrate().is_empty


def test_adopt_leaves_the_live_one_until_its_file_changes_again(shop: Scratch, owner: Connection) -> None:
    owner.execute(body(7))
    owner.execute("CREATE OR REPLACE VIEW main.v AS SELECT i FROM main.a WHERE i > 0")
    shop.routine("f", body(2))
    shop.migration("0002_b", "CREATE TABLE main.b ();")
    events: list[Event] = []

    shop.migrate(by_hand="adopt", events=events)

    assert [event.object for event in events if event.kind == "adopted"] == ["main/f", "main/v"]
    assert shop.value("SELECT main.f()") == 7
    assert shop.tables() == {"a", "b", "v"}
    status = shop.status()
    assert status.is_current
    assert (changed(shop), [suspect.object for suspect in status.routines_adopted]) == ([], ["FUNCTION main.f()", "VIEW main.v"])
    assert shop.migrate().is_empty

    shop.routine("f", body(3))
    shop.migrate()

    assert shop.value("SELECT main.f()") == 3
    assert [suspect.object for suspect in shop.status().routines_adopted] == ["VIEW main.v"]


def test_an_object_that_was_dropped_by_hand_may_stay_away(shop: Scratch, owner: Connection) -> None:
    owner.execute("DROP FUNCTION main.f()")

    shop.migrate(by_hand="adopt")

    assert changed(shop) == []
    assert shop.migrate().is_empty
    shop.routine("f", body(2))
    shop.migrate()
    assert shop.value("SELECT main.f()") == 2


def test_where_the_file_did_not_change_a_run_goes_on_and_says_so(shop: Scratch, owner: Connection) -> None:
    owner.execute(body(7))
    shop.migration("0002_b", "CREATE TABLE main.b ();")

    told = shop.call("migrate", code=0)

    assert "changed     f" in told.out
    assert "by hand: FUNCTION main.f()" in told.out
    assert shop.value("SELECT main.f()") == 7
    assert "by hand: FUNCTION main.f()" in shop.call("migrate", code=0).out
    assert "by hand: FUNCTION main.f()" in shop.call("status", code=0).out
    assert "by hand: FUNCTION main.f()" in shop.call("migrate", "--dry-run", code=0).out


def test_a_migration_that_touches_it_does_not_make_a_change_by_hand_known(shop: Scratch, owner: Connection) -> None:
    owner.execute(body(7))
    shop.migration("0002_b", "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA main TO scratch_main_app; ALTER TABLE main.a RENAME i TO k;")
    shop.migrate()
    shop.routine("f", body(2))

    stopped(shop)


@pytest.mark.parametrize(
    "script",
    [
        "ALTER TABLE main.a RENAME i TO k;",
        "ALTER TABLE main.a RENAME TO b;",
        "DO $$ BEGIN EXECUTE 'ALTER TABLE main.a RENAME i TO k'; EXCEPTION WHEN division_by_zero THEN NULL; END $$;",
        "-- transactional: false\nALTER TABLE main.a RENAME i TO k;\nVACUUM main.a;",
        "ALTER FUNCTION main.f() OWNER TO scratch_main_owner; REVOKE ALL ON FUNCTION main.f() FROM PUBLIC;",
        "ALTER FUNCTION main.total() STABLE LEAKPROOF;",
    ],
)
def test_what_a_migration_rewrites_is_no_change_by_hand(shop: Scratch, owner: Connection, script: str) -> None:
    if "LEAKPROOF" in script:
        script = script.replace(" LEAKPROOF", " COST 7")
    shop.migration("0002_b", script)
    shop.migrate()
    # a touch by hand makes the definitions themselves be compared
    owner.execute("GRANT SELECT ON main.v TO scratch_main_app; GRANT EXECUTE ON FUNCTION main.total(), main.f() TO scratch_main_app")

    assert changed(shop) == []

    shop.rollback()

    assert changed(shop) == []


def test_what_a_migration_drops_is_made_again_without_a_question(shop: Scratch) -> None:
    shop.migration("0002_b", "DROP FUNCTION main.f(); DROP TRIGGER a_touch ON main.a;")
    events: list[Event] = []

    shop.migrate(events=events)

    assert {event.object for event in events if event.kind == "deployed"} == {"main/f", "main/trigger"}
    assert shop.value("SELECT main.f()") == 1
    assert shop.status().is_current
    assert ("dropped", "f") in shop.events()


def test_what_was_changed_by_hand_is_not_dropped_for_a_migration(shop: Scratch, owner: Connection) -> None:
    owner.execute("CREATE OR REPLACE VIEW main.v AS SELECT i FROM main.a WHERE i > 0")
    shop.migration("0002_b", "ALTER TABLE main.a DROP COLUMN j;")

    with pytest.raises(DbkitError, match=r"in the way of main/0002_b.*VIEW main.v") as caught:
        shop.migrate()

    assert "--overwrite" in f"{caught.value.hint}"
    assert "WHERE" in shop.value("SELECT pg_get_viewdef('main.v'::regclass)")

    shop.migrate(by_hand="adopt", to="1")
    with pytest.raises(DbkitError, match="in the way of main/0002_b"):
        shop.migrate()

    shop.migrate(by_hand="overwrite")

    assert shop.states()["0002_b"] == "applied"
    assert "WHERE" not in shop.value("SELECT pg_get_viewdef('main.v'::regclass)")


def test_a_change_by_hand_between_look_and_deploy_stops_the_deploy_too(shop: Scratch, owner: Connection) -> None:
    """A migration stands for the time that passes: what it calls acts as somebody else would."""
    shop.routine("f", body(2))
    shop.migration("0002_b", "SELECT 1;")

    def tell(event: Any) -> None:
        if event.kind == "applied":
            owner.execute(body(7))

    from dbkit.migrate.run import migrate
    from dbkit.postgres.journal import Run

    with pytest.raises(DbkitError, match="changed by hand"):
        migrate(shop.database(), Run("here", None), tell)

    assert shop.value("SELECT main.f()") == 7
    assert shop.states()["0002_b"] == "applied"


def test_a_rollback_does_not_put_back_what_was_changed_by_hand(shop: Scratch, owner: Connection) -> None:
    shop.migration("0002_b", "CREATE TABLE main.b ();", "DROP TABLE main.b;")
    shop.routine("f", body(2))
    shop.migrate()
    owner.execute(body(7))

    with pytest.raises(DbkitError, match="in the way of the rollback of main/0002_b"):
        shop.rollback()
    assert shop.tables() == {"a", "b", "v"}

    shop.migrate(by_hand="overwrite")
    shop.rollback()

    assert shop.value("SELECT main.f()") == 1
    assert changed(shop) == []


def test_a_rollback_leaves_alone_what_was_changed_by_hand_and_is_none_of_its_business(shop: Scratch, owner: Connection) -> None:
    shop.migration("0002_b", "CREATE TABLE main.b ();", "DROP TABLE main.b;")
    shop.routine("v", f"{VIEW}-- of a new release\n")
    shop.migrate()
    owner.execute(body(7))

    shop.rollback()

    assert shop.value("SELECT main.f()") == 7
    assert changed(shop) == ["FUNCTION main.f()"]


def test_routines_that_an_older_dbkit_deployed_are_known_as_they_are(shop: Scratch, connection: Connection) -> None:
    connection.execute("DROP TABLE dbkit.definition; DELETE FROM dbkit.version WHERE version = 3")
    assert changed(shop) == []
    assert shop.migrate().is_empty

    shop.routine("g", body(5).replace("main.f", "main.g"))
    shop.migrate()

    assert sorted(shop.column("SELECT object FROM dbkit.definition")) == [
        "FUNCTION main.f()",
        "FUNCTION main.g()",
        "FUNCTION main.tg_a()",
        "FUNCTION main.total()",
        "TRIGGER a_touch ON main.a",
        "VIEW main.v",
    ]
    connection.execute(body(7))
    assert changed(shop) == ["FUNCTION main.f()"]


def as_of_another_major(connection: Connection) -> None:
    """Leave the records as an upgraded server finds them: another major, other row versions and oids, another print."""
    connection.execute("UPDATE dbkit.definition SET major = major - 1, version = '1', objid = 1, definition = 'as the old one printed it'")


def test_a_new_major_is_read_again_without_alarm(shop: Scratch, connection: Connection) -> None:
    as_of_another_major(connection)
    shop.routine("f", body(2))
    events: list[Event] = []

    shop.migrate(events=events)

    assert any("definitions of routines were read again" in event.text for event in events)
    assert shop.value("SELECT main.f()") == 2
    assert shop.column("SELECT DISTINCT major FROM dbkit.definition") == [connection.info.server_version // 10000]
    assert shop.column("SELECT object FROM dbkit.definition WHERE definition LIKE 'as the old%%'") == []


@pytest.mark.parametrize(
    "by_hand",
    [
        "CREATE OR REPLACE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT 7'",
        "ALTER FUNCTION main.f() STABLE",
        "ALTER FUNCTION main.f() SET work_mem = '1MB'",
        "ALTER FUNCTION main.f() OWNER TO scratch_main_migrator",
        "GRANT EXECUTE ON FUNCTION main.f() TO scratch_main_app",
    ],
)
def test_on_a_new_major_what_reads_alike_is_compared(shop: Scratch, connection: Connection, by_hand: str) -> None:
    as_of_another_major(connection)
    connection.execute("GRANT CREATE ON SCHEMA main TO scratch_main_migrator")
    connection.execute(by_hand.encode())

    assert changed(shop) == ["FUNCTION main.f()"]


def test_a_run_with_nothing_to_do_prints_no_definition(shop: Scratch, connection: Connection) -> None:
    """Row versions tell that nothing changed; a lock on a table that a view reads is not waited for."""
    connection.execute("BEGIN; LOCK TABLE main.a IN ACCESS EXCLUSIVE MODE")

    assert shop.migrate().is_empty
    assert shop.status().is_current


def test_a_migration_does_not_wait_for_a_table_that_is_none_of_its_business(shop: Scratch, connection: Connection) -> None:
    """A view is printed only where it may have another text: to print it locks what it reads."""
    connection.execute("BEGIN; LOCK TABLE main.a IN ACCESS EXCLUSIVE MODE")
    shop.migration("0002_b", "CREATE TABLE main.b (i integer);\nALTER TABLE main.b RENAME i TO k;")
    shop.routine("g", body(1).replace("main.f", "main.g"))

    shop.migrate()

    assert shop.states()["0002_b"] == "applied"
    assert shop.value("SELECT main.g()") == 1
