"""A person decides what is true, and the journal keeps why."""

from __future__ import annotations

import pytest

from dbkit.errors import DbkitError
from dbkit.postgres import journal
from scratch import Scratch


@pytest.fixture
def two(scratch: Scratch) -> Scratch:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);", "DROP TABLE main.a;")
    scratch.migration("0002_b", "CREATE TABLE main.b (i integer);", "DROP TABLE main.b;")
    scratch.migrate()
    return scratch


def repaired(scratch: Scratch, *more: str) -> str:
    return scratch.call("repair", "main", *more, "--reason", "we looked at it", code=0).out


def test_an_edited_file_is_accepted_with_a_reason_that_status_shows(two: Scratch) -> None:
    two.migration("0001_a", "CREATE TABLE main.a (i integer, j integer);", "DROP TABLE IF EXISTS main.a;")
    hint = two.call("migrate", code=2).err
    assert "dbkit repair main 0001_a --reason" in hint

    assert "edited" in repaired(two, "--dry-run")
    two.call("migrate", code=2)
    assert "0001_a" in repaired(two, "0001")

    assert two.migrate().is_empty
    assert "we looked at it" in two.call("status", "main", code=0).out
    two.rollback()  # the order of the migrations is what it was
    assert two.states() == {"0001_a": "applied", "0002_b": "pending"}
    two.rollback()
    assert two.tables() == set()
    with two.connect() as connection:
        assert journal.broken_link(connection) is None


def test_a_failed_migration_is_pending_again(two: Scratch) -> None:
    two.migration("0003_c", "SELECT 1 / 0;")
    with pytest.raises(DbkitError):
        two.migrate()
    (two.root / "migrations/main/0003_c.sql").unlink()
    (two.root / "migrations/main/0003_c.rollback.sql").unlink()

    repaired(two, "0003_c")

    assert two.states() == {"0001_a": "applied", "0002_b": "applied"}
    assert two.call("status", "main", code=0)


def test_a_file_that_is_gone_counts_as_never_applied(two: Scratch) -> None:
    (two.root / "migrations/main/0002_b.sql").unlink()
    (two.root / "migrations/main/0002_b.rollback.sql").unlink()
    assert "dbkit repair main 0002_b" in two.call("migrate", code=2).err

    assert "gone" in repaired(two)

    assert two.migrate().is_empty
    assert two.states() == {"0001_a": "applied"}
    assert two.column("SELECT migration_id FROM main._yoyo_migration") == ["0001_a"]


def test_a_renamed_file_goes_on_under_its_new_name(two: Scratch) -> None:
    for suffix in (".sql", ".rollback.sql"):
        (two.root / f"migrations/main/0002_b{suffix}").rename(two.root / f"migrations/main/0002_better{suffix}")
    assert "was renamed to 0002_better" in two.call("migrate", code=2).err

    repaired(two)

    assert two.migrate().is_empty
    assert two.states() == {"0001_a": "applied", "0002_better": "applied"}
    assert sorted(two.column("SELECT migration_id FROM main._yoyo_migration")) == ["0001_a", "0002_better"]
    two.rollback()
    assert two.states() == {"0001_a": "applied", "0002_better": "pending"}


def test_where_all_agree_there_is_nothing_to_repair(two: Scratch) -> None:
    assert "nothing to repair" in two.call("repair", "main", "--reason", "x", code=2).err
    assert len(two.events()) == 2


@pytest.mark.parametrize(("answer", "runs"), [("done", 0), ("again", 1)])
def test_a_statement_whose_end_nobody_knows_is_answered_for(two: Scratch, answer: str, runs: int) -> None:
    two.migration(
        "0003_p", "CREATE TABLE main.log (i integer);\nCREATE PROCEDURE main.work() LANGUAGE sql AS 'INSERT INTO main.log VALUES (1)';"
    )
    two.migrate()
    two.migration("0004_call", "-- transactional: false\nCALL main.work();\nCREATE INDEX CONCURRENTLY log_i_idx ON main.log (i);")
    from dbkit.source.checksum import token_hash

    with two.connect("migrator") as connection:
        run = journal.Run("here", None)
        text = "CALL main.work()"
        journal.append(connection, run, "started", "migration", "main/0004_call")
        journal.append(connection, run, "intended", "migration", "main/0004_call", statement=1, rendered=text, checksum=token_hash(text))
    told = two.call("migrate", code=1).err
    assert f"dbkit repair main 0004_call --statement {answer}" in told

    repaired(two, "0004_call", "--statement", answer)
    two.call("migrate", code=0)

    assert two.value("SELECT count(*) FROM main.log") == runs
    assert two.states()["0004_call"] == "applied"


def test_an_existing_database_is_adopted_without_running_anything(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);", "DROP TABLE main.a;")
    scratch.migration("0002_b", "CREATE TABLE main.b (i integer);", "DROP TABLE main.b;")
    scratch.routine("v", "CREATE OR REPLACE VIEW main.v AS SELECT i FROM main.a;")
    with scratch.connect() as connection:
        connection.execute("CREATE SCHEMA main AUTHORIZATION scratch_main_owner")
        connection.execute("SET ROLE scratch_main_owner; CREATE TABLE main.a (i integer)")

    assert "would mark" in scratch.call("baseline", "main", "--to", "0001", "--reason", "made by hand", "--dry-run", code=0).out
    scratch.call("baseline", "main", "--to", "0001", "--reason", "made by hand", code=0)

    assert scratch.states() == {"0001_a": "applied", "0002_b": "pending"}
    assert "made by hand" in str(scratch.value("SELECT detail FROM dbkit.journal WHERE event = 'baselined'"))
    scratch.call("migrate", code=0)
    assert scratch.tables() == {"a", "b", "v"}
    assert "applied already" in scratch.call("baseline", "main", "--reason", "again", code=2).err
    scratch.rollback(to="0")
    assert scratch.tables() == set()
