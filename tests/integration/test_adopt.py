"""Taking over a tool's history: what it says is believed, where it can be; else the run stops and says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbkit.layouts.readers.flyway import checksum
from histories import TOOLS, history, in_public
from scratch import Scratch

UPS = [f"CREATE TABLE t{n} ();\n" for n in range(4)]


@pytest.fixture
def shop(scratch: Scratch) -> Scratch:
    return in_public(scratch)


@pytest.fixture
def flyway(shop: Scratch) -> Scratch:
    """Four versions, a repeatable, the table without rows."""
    for number, up in enumerate(UPS, 1):
        shop.write(f"theirs/V{number}__t.sql", up)
    with shop.connect() as connection:
        TOOLS["flyway"].record(connection, shop.root / "none", [])  # type: ignore[misc]
        connection.execute("DELETE FROM flyway_schema_history")
        connection.execute("GRANT SELECT ON flyway_schema_history TO scratch_main_migrator")
    return shop


def row(scratch: Scratch, version: str | None, *, kind: str = "SQL", success: bool = True, number: int | str | None = None) -> None:
    scratch.value(
        "INSERT INTO flyway_schema_history SELECT count(*) + 1, %s, 'x', %s, 'V1__t.sql', %s, 'me', now(), 1, %s"
        " FROM flyway_schema_history",
        version,
        kind,
        number,
        success,
    )


def adopt(scratch: Scratch, tool: str = "flyway", *more: str, code: int = 0) -> str:
    done = scratch.call("import", "theirs", "--from", tool, "--adopt", *more, code=code)
    return done.out + done.err


def refused(scratch: Scratch, tool: str = "flyway") -> str:
    """Adopt in vain: nothing is written, nothing is marked."""
    said = adopt(scratch, tool, code=2)
    assert not (scratch.root / "migrations").exists()
    assert scratch.value("SELECT to_regclass('dbkit.journal')") is None
    return said


def test_a_part_that_is_applied_is_marked_and_the_rest_is_pending(flyway: Scratch) -> None:
    for number in (1, 2):
        flyway.value(UPS[number - 1])
        row(flyway, str(number), number=checksum(UPS[number - 1]))

    assert "would mark" in adopt(flyway, "flyway", "--dry-run")
    assert not (flyway.root / "migrations").exists()
    adopt(flyway)

    assert list(flyway.states().values()) == ["applied", "applied", "pending", "pending"]
    flyway.migrate()
    assert set(flyway.states().values()) == {"applied"}


def test_a_second_database_is_adopted_from_the_files_that_are_there(flyway: Scratch) -> None:
    flyway.call("import", "theirs", "--from", "flyway", code=0)
    path = flyway.root / "migrations/main/3__t.sql"
    path.write_text(f"-- mended by hand\n{path.read_text()}")
    assert "--adopt" in flyway.call("import", "theirs", "--from", "flyway", code=2).err
    row(flyway, "1")

    adopt(flyway)

    assert list(flyway.states().values()) == ["applied", "pending", "pending", "pending"]
    assert "mended" in path.read_text()


def test_flyways_rows_are_followed(flyway: Scratch) -> None:
    row(flyway, "2", kind="BASELINE")  # which stands for 1 and 2
    row(flyway, "3.0")
    row(flyway, "4")
    row(flyway, "4", kind="UNDO_SQL")
    row(flyway, None)  # a repeatable

    adopt(flyway)

    assert list(flyway.states().values()) == ["applied", "applied", "applied", "pending"]


def test_a_failed_row_is_refused(flyway: Scratch) -> None:
    row(flyway, "1", success=False)
    assert "flyway repair" in refused(flyway)


def test_a_row_without_its_file_is_refused(flyway: Scratch) -> None:
    row(flyway, "1")
    row(flyway, "7")
    assert "names 7, which has no file" in refused(flyway)


def test_a_gap_is_refused_at_the_file_that_was_not_applied(flyway: Scratch) -> None:
    row(flyway, "1")
    row(flyway, "4")
    said = refused(flyway)
    assert "has 4, but not 2 before it and 1 more" in said
    assert "V2__t.sql:1" in said


def test_a_file_that_was_edited_since_is_refused(flyway: Scratch) -> None:
    row(flyway, "1", number=17)
    assert "another checksum" in refused(flyway)


def test_an_empty_table_is_nothing_to_adopt(flyway: Scratch) -> None:
    assert "nothing is applied" in refused(flyway)


def test_no_table_is_refused(flyway: Scratch) -> None:
    flyway.value("DROP TABLE flyway_schema_history")
    assert "no table flyway_schema_history or schema_version" in refused(flyway)


def test_a_table_that_may_not_be_read_is_named_with_the_grant(flyway: Scratch) -> None:
    row(flyway, "1")
    flyway.value("REVOKE ALL ON flyway_schema_history FROM scratch_main_migrator")
    assert "GRANT SELECT ON public.flyway_schema_history TO scratch_main_migrator" in refused(flyway)


def test_two_tables_are_a_question_unless_one_is_the_services(flyway: Scratch) -> None:
    row(flyway, "1")
    for schema in ("a", "b"):
        flyway.value(f"CREATE SCHEMA {schema}")
        flyway.value(f"CREATE TABLE {schema}.flyway_schema_history (LIKE flyway_schema_history)")
    flyway.value("ALTER TABLE flyway_schema_history RENAME TO kept")
    assert "a.flyway_schema_history, b.flyway_schema_history" in refused(flyway)

    flyway.value("ALTER TABLE kept RENAME TO flyway_schema_history")
    adopt(flyway)


def test_a_file_that_needs_a_person_is_not_adopted_before_it_was_mended(flyway: Scratch) -> None:
    flyway.write("theirs/V1__t.sql", "SELECT 1;\nCOMMIT;\nSELECT 2;\n")
    row(flyway, "1")
    assert "1__t.sql:3" in adopt(flyway, code=2)  # behind the header that says that there is no way back
    assert flyway.value("SELECT to_regclass('dbkit.journal')") is None

    path = flyway.root / "migrations/main/1__t.sql"
    path.write_text(path.read_text().replace("COMMIT;", ""))
    adopt(flyway)
    assert flyway.states()["1__t"] == "applied"


def test_psql_keeps_no_history(shop: Scratch) -> None:
    shop.write("theirs/1.sql", "SELECT 1")
    assert "dbkit baseline" in refused(shop, "psql")


def test_golang_migrates_dirty_version_is_refused(shop: Scratch) -> None:
    changes = history(3)
    TOOLS["golang-migrate"].write(shop.root / "theirs", changes)
    with shop.connect() as connection:
        TOOLS["golang-migrate"].record(connection, Path(), changes)  # type: ignore[misc]
        connection.execute("GRANT SELECT ON schema_migrations TO PUBLIC")
        connection.execute("UPDATE schema_migrations SET version = 2, dirty = true")
    assert "migrate force 2" in refused(shop, "golang-migrate")
    shop.value("UPDATE schema_migrations SET version = 9, dirty = false")
    assert "names 9, which has no file" in refused(shop, "golang-migrate")


def test_dbmates_table_is_not_golang_migrates(shop: Scratch) -> None:
    shop.write("theirs/1_a.up.sql", "SELECT 1")
    shop.value("CREATE TABLE schema_migrations (version varchar PRIMARY KEY)")
    assert "no table schema_migrations" in refused(shop, "golang-migrate")


def test_what_goose_took_back_is_pending(shop: Scratch) -> None:
    changes = history(3)
    TOOLS["goose"].write(shop.root / "theirs", changes)
    with shop.connect() as connection:
        TOOLS["goose"].record(connection, Path(), changes)  # type: ignore[misc]
        connection.execute("INSERT INTO goose_db_version (version_id, is_applied) VALUES (3, false)")
        connection.execute("GRANT SELECT ON goose_db_version TO PUBLIC")

    adopt(shop, "goose")

    assert list(shop.states().values()) == ["applied", "applied", "pending"]


def test_what_graphile_has_tried_of_current_sql_is_refused(shop: Scratch) -> None:
    changes = history(3)
    TOOLS["graphile-migrate"].write(shop.root / "theirs", changes)
    with shop.connect() as connection:
        TOOLS["graphile-migrate"].record(connection, shop.root / "theirs", changes)  # type: ignore[misc]
        connection.execute("INSERT INTO graphile_migrate.current VALUES ('current.sql', 'CREATE TABLE half ();')")
        connection.execute("GRANT USAGE ON SCHEMA graphile_migrate TO PUBLIC")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA graphile_migrate TO PUBLIC")
    assert "graphile-migrate commit" in refused(shop, "graphile-migrate")


def test_yoyos_first_table_is_read_too(shop: Scratch) -> None:
    shop.write("theirs/0001_a.sql", "SELECT 1")
    shop.value("CREATE TABLE yoyo_migration (id varchar(191) PRIMARY KEY, ctime timestamp)")
    shop.value("INSERT INTO yoyo_migration VALUES ('0001_a', now())")
    shop.value("GRANT SELECT ON yoyo_migration TO PUBLIC")

    adopt(shop, "yoyo")

    assert shop.states() == {"0001_a": "applied"}


def test_a_protected_environment_is_asked_for(flyway: Scratch) -> None:
    manifest = flyway.root / "dbkit.toml"
    manifest.write_text(manifest.read_text().replace("[environments.here]\n", "[environments.here]\nprotected = true\n"))
    row(flyway, "1")

    assert "protected" in refused(flyway)
    adopt(flyway, "flyway", "--yes")
