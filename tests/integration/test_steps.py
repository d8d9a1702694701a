"""Migrations without a transaction: each statement is journalled, and a run goes on where another ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from dbkit.errors import ConfigurationError, DbkitError
from scratch import Scratch, until

if TYPE_CHECKING:
    from dbkit.migrate.engine import Event

CONCURRENT = """
-- transactional: false
CREATE INDEX CONCURRENTLY a_i_idx ON main.a (i);
ALTER TABLE main.a ADD COLUMN j integer;
CREATE UNIQUE INDEX CONCURRENTLY a_j_key ON main.a (j);
"""


UNDO = """
-- transactional: false
DROP INDEX CONCURRENTLY main.a_j_key;
DROP INDEX CONCURRENTLY main.a_i_idx;
ALTER TABLE main.a DROP COLUMN j;
"""
BUILDING = (
    "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%%CREATE INDEX CONC%%' AND wait_event_type = 'Lock' AND datname = current_database()"
)


@pytest.fixture
def table(scratch: Scratch) -> Scratch:
    scratch.migration(
        "0001_a", "CREATE TABLE main.a (i integer);\nINSERT INTO main.a SELECT generate_series(1, 100);", "DROP TABLE main.a;"
    )
    scratch.migrate()
    return scratch


def valid(scratch: Scratch) -> dict[str, bool]:
    """Return the indexes of main.a, and whether each is valid."""
    with scratch.connect() as connection:
        rows = connection.execute(
            "SELECT c.relname, i.indisvalid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
            " WHERE i.indrelid = to_regclass('main.a')"
        ).fetchall()
    return dict(rows)


def journal_of(scratch: Scratch, name: str) -> list[tuple[str, int | None]]:
    with scratch.connect() as connection:
        return [
            (row[0], row[1])
            for row in connection.execute(
                "SELECT event, statement FROM dbkit.journal WHERE object = %s ORDER BY id", [f"main/{name}"]
            ).fetchall()
        ]


def test_each_statement_is_intended_and_done_and_a_transactional_one_is_done_at_once(table: Scratch) -> None:
    table.migration("0002_i", CONCURRENT, UNDO)

    table.migrate()

    assert valid(table) == {"a_i_idx": True, "a_j_key": True}
    assert journal_of(table, "0002_i") == [
        ("started", None),
        ("intended", 1),
        ("done", 1),
        ("done", 2),
        ("intended", 3),
        ("done", 3),
        ("applied", 3),
    ]
    assert table.states()["0002_i"] == "applied"

    table.rollback()

    assert valid(table) == {}
    assert table.states()["0002_i"] == "pending"
    assert table.migrate().migrations[0].migration.name == "0002_i"
    assert valid(table) == {"a_i_idx": True, "a_j_key": True}


def test_a_statement_that_fails_stops_there_and_after_mending_the_run_goes_on_at_it(table: Scratch) -> None:
    table.value("INSERT INTO main.a VALUES (1) RETURNING 1")
    table.migration(
        "0002_i", "-- transactional: false\nALTER TABLE main.a ADD k integer;\nCREATE UNIQUE INDEX CONCURRENTLY a_i_key ON main.a (i);"
    )

    with pytest.raises(DbkitError) as caught:
        table.migrate()

    assert caught.value.sqlstate == "23505"
    assert caught.value.where == f"{table.root}/migrations/main/0002_i.sql:3"
    assert valid(table) == {"a_i_key": False}
    assert table.states()["0002_i"] == "failed"

    table.migration(
        "0002_i", "-- transactional: false\nALTER TABLE main.a ADD k integer;\nCREATE INDEX CONCURRENTLY a_i_idx ON main.a (i);"
    )
    events: list[Event] = []
    table.migrate(events=events)

    assert valid(table) == {"a_i_idx": True}
    assert "the invalid index main.a_i_key was dropped" in next(event.text for event in events if event.kind == "settled")
    assert table.states()["0002_i"] == "applied"


def test_what_is_done_may_not_be_edited(table: Scratch) -> None:
    table.migration(
        "0002_i", "-- transactional: false\nALTER TABLE main.a ADD k integer;\nCREATE INDEX CONCURRENTLY x ON main.nowhere (i);"
    )
    with pytest.raises(DbkitError):
        table.migrate()
    table.migration("0002_i", "-- transactional: false\nALTER TABLE main.a ADD k bigint;\nCREATE INDEX CONCURRENTLY x ON main.a (i);")

    with pytest.raises(ConfigurationError, match="statement 1 was run already, and is not the same any more"):
        table.migrate()

    assert valid(table) == {}


def test_if_not_exists_over_an_invalid_index_is_not_taken_for_success(table: Scratch) -> None:
    with table.connect() as connection:
        connection.execute("CREATE INDEX a_i_idx ON main.a (i)")
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'main.a_i_idx'::regclass")
    table.migration("0002_i", "-- transactional: false\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a_i_idx ON main.a (i);")

    table.migrate()

    assert valid(table) == {"a_i_idx": True}


def test_if_not_exists_over_another_index_of_that_name_is_refused(table: Scratch) -> None:
    table.value("CREATE INDEX a_i_idx ON main.a (i) WHERE i > 5")
    table.migration("0002_i", "-- transactional: false\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a_i_idx ON main.a (i);")

    with pytest.raises(DbkitError, match=r"an index main\.a_i_idx is there with another definition"):
        table.migrate()


def test_if_not_exists_over_an_index_of_another_table_is_refused(table: Scratch) -> None:
    table.value("CREATE TABLE main.b (i integer); CREATE INDEX a_i_idx ON main.b (i)")
    table.value("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'main.a_i_idx'::regclass")
    table.migration("0002_i", "-- transactional: false\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a_i_idx ON main.a (i);")

    with pytest.raises(DbkitError, match=r"the name main\.a_i_idx is taken, by what is no index of main\.a"):
        table.migrate()

    assert table.value("SELECT count(*) FROM pg_index WHERE indexrelid = 'main.a_i_idx'::regclass") == 1


def intend(scratch: Scratch, statement: str) -> None:
    """Write a migration of one statement, and the intent of a run that died in it."""
    from dbkit.postgres import journal
    from dbkit.postgres.journal import Run
    from dbkit.source.checksum import token_hash

    scratch.migration("0002_i", f"-- transactional: false\n{statement};")
    with scratch.connect("migrator") as connection:
        run = Run("here", None)
        journal.append(connection, run, "started", "migration", "main/0002_i", detail={"direction": "up"})
        journal.append(
            connection, run, "intended", "migration", "main/0002_i", statement=1, rendered=statement, checksum=token_hash(statement)
        )


INDEX = "CREATE UNIQUE INDEX CONCURRENTLY a_i_idx ON main.a (abs(i), i DESC) INCLUDE (i) WHERE i > 5"
INDEX_BY_TABLE = "CREATE INDEX CONCURRENTLY a_i_idx ON main.a ((a.i + 1)) WHERE a.i > 5"


@pytest.mark.parametrize("index", [INDEX, INDEX_BY_TABLE])
def test_an_index_that_a_dead_run_finished_is_found_by_its_definition(table: Scratch, index: str) -> None:
    table.value(index.replace("CONCURRENTLY ", ""))
    oid = table.value("SELECT 'main.a_i_idx'::regclass::oid")
    intend(table, index)

    table.migrate()

    assert table.value("SELECT 'main.a_i_idx'::regclass::oid") == oid
    assert journal_of(table, "0002_i")[-2:] == [("done", 1), ("applied", 1)]


def test_a_detach_that_a_dead_run_left_half_done_is_finished(table: Scratch) -> None:
    with table.connect("migrator") as connection:
        connection.execute("SET ROLE scratch_main_owner")
        connection.execute("CREATE TABLE main.p (i integer) PARTITION BY RANGE (i)")
        connection.execute("CREATE TABLE main.p1 PARTITION OF main.p FOR VALUES FROM (0) TO (10)")
    table.value("UPDATE pg_inherits SET inhdetachpending = true WHERE inhrelid = 'main.p1'::regclass RETURNING 1")
    intend(table, "ALTER TABLE main.p DETACH PARTITION main.p1 CONCURRENTLY")

    table.migrate()

    assert table.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'main.p'::regclass") == 0
    assert table.states()["0002_i"] == "applied"


def test_a_drop_that_a_dead_run_finished_is_not_run_again(table: Scratch) -> None:
    intend(table, "DROP INDEX CONCURRENTLY main.gone")

    table.migrate()

    assert table.states()["0002_i"] == "applied"


def test_a_wrong_name_of_what_has_to_go_can_be_mended(table: Scratch) -> None:
    """It was never there: that is not what a run that died has finished."""
    table.value("CREATE INDEX real_idx ON main.a (i)")
    table.migration("0002_i", "-- transactional: false\nDROP INDEX CONCURRENTLY main.raal_idx;")
    for _ in range(2):
        with pytest.raises(DbkitError, match="raal_idx"):
            table.migrate()
        assert table.states()["0002_i"] == "failed"

    table.migration("0002_i", "-- transactional: false\nDROP INDEX CONCURRENTLY main.real_idx;")
    table.migrate()

    assert table.value("SELECT to_regclass('main.real_idx') IS NULL")
    assert table.states()["0002_i"] == "applied"


def test_a_drop_of_a_quoted_name_that_did_not_happen_is_run_again(table: Scratch) -> None:
    """Asked for without its quotes, it would be gone."""
    table.value('CREATE INDEX "Mixed.idx" ON main.a (i)')
    intend(table, 'DROP INDEX CONCURRENTLY main."Mixed.idx"')

    table.migrate()

    assert table.value("SELECT count(*) FROM pg_class WHERE relname = 'Mixed.idx'") == 0


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ("INDEX CONCURRENTLY main.a_i_idx", {"b_i_idx_ccnew"}),
        ('INDEX CONCURRENTLY main."A i"', {"b_i_idx_ccnew"}),
        ("TABLE CONCURRENTLY main.a", {"b_i_idx_ccnew"}),
        ("SCHEMA CONCURRENTLY main", set()),
    ],
)
def test_copies_that_an_ended_reindex_left_are_dropped_and_it_is_run_again(table: Scratch, what: str, left: set[str]) -> None:
    table.value('CREATE INDEX a_i_idx ON main.a (i); CREATE INDEX "A i" ON main.a (i)')
    table.value("CREATE TABLE main.b (i integer); ALTER TABLE main.b OWNER TO scratch_main_owner")
    for name, on in (("a_i_idx_ccnew", "a"), ("A i_ccold2", "a"), ("a_half", "a"), ("b_i_idx_ccnew", "b")):
        table.value(f'CREATE INDEX "{name}" ON main.{on} (i)')
        table.value(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'main.\"{name}\"'::regclass")
    files = "SELECT string_agg(relfilenode::text, ' ' ORDER BY relname) FROM pg_class WHERE relname IN ('a_i_idx', 'A i')"
    before = table.value(files)
    intend(table, f"REINDEX {what}")
    events: list[Event] = []

    table.migrate(events=events)

    invalid = table.column("SELECT c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid WHERE NOT i.indisvalid")
    assert set(invalid) == {"a_half"} | left  # that one is nobody's copy
    note = next(event.text for event in events if event.kind == "settled")
    assert "main.a_i_idx_ccnew" in note
    assert note.endswith("dropped; it is run again")
    assert table.value(files) != before
    assert table.states()["0002_i"] == "applied"


OF_THE_CLUSTER = {
    "database": ('CREATE DATABASE "Settled"', 'DROP DATABASE "Settled"', "SELECT count(*) FROM pg_database WHERE datname = 'Settled'"),
    "tablespace": (
        "CREATE TABLESPACE \"Settled\" LOCATION ''",
        'DROP TABLESPACE "Settled"',
        "SELECT count(*) FROM pg_tablespace WHERE spcname = 'Settled'",
    ),
    "subscription": (
        "CREATE SUBSCRIPTION \"Settled\" CONNECTION 'host=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE)",
        'DROP SUBSCRIPTION "Settled"',
        "SELECT count(*) FROM pg_subscription WHERE subname = 'Settled'",
    ),
}


@pytest.fixture
def powerful(table: Scratch) -> Iterator[Scratch]:
    """The service's owner may make databases, tablespaces and subscriptions."""
    table.value("ALTER ROLE scratch_main_owner SUPERUSER; ALTER ROLE scratch_main_migrator SET allow_in_place_tablespaces = on")
    yield table
    table.value("ALTER ROLE scratch_main_owner NOSUPERUSER; ALTER ROLE scratch_main_migrator RESET allow_in_place_tablespaces")
    for _, drop, there in OF_THE_CLUSTER.values():
        if table.value(there):
            table.value(drop)


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("makes", [True, False])
@pytest.mark.parametrize("kind", OF_THE_CLUSTER)
def test_what_is_made_or_ended_in_the_cluster_is_looked_for(powerful: Scratch, kind: str, *, makes: bool, finished: bool) -> None:
    """What a run that died has finished is not run again, which would fail; what it has not, is."""
    create, drop, there = OF_THE_CLUSTER[kind]
    with powerful.connect() as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        if makes == finished:
            connection.execute(create.encode())
    intend(powerful, create if makes else drop)
    events: list[Event] = []

    powerful.migrate(events=events)

    assert powerful.value(there) == makes
    note = next(event.text for event in events if event.kind == "settled")
    assert note.endswith("it is there" if makes == finished else "it is not there")
    assert powerful.states()["0002_i"] == "applied"
    assert journal_of(powerful, "0002_i")[-2:] == [("done", 1), ("applied", 1)]


def test_what_the_catalog_cant_tell_is_asked(table: Scratch) -> None:
    intend(table, "CALL main.work()")

    with pytest.raises(DbkitError) as caught:
        table.migrate()

    assert "nothing in the catalog says whether it finished" in caught.value.message
    assert "--statement done" in (caught.value.hint or "")
    assert "--statement again" in (caught.value.hint or "")


def test_an_old_transaction_that_a_build_would_wait_for_is_named(table: Scratch) -> None:
    with table.connect() as old:
        old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT pg_current_xact_id(), pg_sleep(1.2)")
        table.migration("0002_i", "-- transactional: false\nCREATE INDEX CONCURRENTLY a_i_idx ON main.a (i);")
        child = table.start("migrate")
        until(lambda: table.column(BUILDING))
        old.execute("ROLLBACK")
        _, err = child.communicate(timeout=60)

    assert child.returncode == 0, err
    assert "it would wait for pid" in err
    assert valid(table) == {"a_i_idx": True}


def test_a_rollback_that_ended_in_the_middle_is_finished_before_anything_else(table: Scratch) -> None:
    table.migration(
        "0002_i",
        "-- transactional: false\nCREATE INDEX CONCURRENTLY a_i_idx ON main.a (i);\nCREATE INDEX CONCURRENTLY a_j_idx ON main.a (i);",
        "-- transactional: false\nDROP INDEX CONCURRENTLY main.a_j_idx;\nDROP INDEX CONCURRENTLY main.a_i_idx;",
    )
    table.migrate()
    table.value("DROP INDEX main.a_i_idx")
    with pytest.raises(DbkitError, match="statement 2 of 2"):
        table.rollback()
    assert valid(table) == {}
    table.migration("0003_x", "SELECT 1;")

    with pytest.raises(ConfigurationError, match="the rollback of main/0002_i ended in the middle"):
        table.migrate()

    table.rollback()  # the index that it could not find is gone: that statement is settled

    assert table.states()["0002_i"] == "pending"
    table.migrate()
    assert valid(table) == {"a_i_idx": True, "a_j_idx": True}


def test_a_statement_and_the_mark_of_its_end_are_one_transaction(table: Scratch) -> None:
    table.migration("0002_i", "-- transactional: false\nCREATE TABLE main.b ();\nCREATE INDEX CONCURRENTLY a_i_idx ON main.a (i);")

    table.migrate()

    assert table.value("SELECT xmin::text FROM pg_class WHERE oid = 'main.b'::regclass") == table.value(
        "SELECT xmin::text FROM dbkit.journal WHERE object = 'main/0002_i' AND event = 'done' AND statement = 1"
    )
