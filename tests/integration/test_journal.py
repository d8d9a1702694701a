"""The journal takes inserts only, and its rows are chained by hash."""

from __future__ import annotations

import hashlib
from typing import Any

import psycopg
import pytest

from dbkit import __version__
from dbkit.errors import DbkitError
from dbkit.postgres import journal
from dbkit.postgres.queries import sql
from dbkit.source.checksum import text_hash, token_hash
from scratch import Scratch

Connection = psycopg.Connection[tuple[Any, ...]]
# as dbkit.tg_journal_chain has them, each as PostgreSQL writes it
COLUMNS = """
    id::text, extract(EPOCH FROM at)::text, run::text, event, kind, service, object, coalesce(statement::text, '-'),
    coalesce(rendered, '-'), coalesce(rollback, '-'), coalesce(text_hash, '-'), coalesce(checksum, '-'),
    coalesce(detail::text, '-'), database_role, os_user, host, pid::text, dbkit_version, coalesce(git_commit, '-'),
    environment, server_version::text, wal_position::text, coalesce(fingerprint, '-')
"""


@pytest.fixture
def lived(scratch: Scratch) -> Scratch:
    """A journal with an entry of most kinds."""
    scratch.migration("0001_a", "CREATE TABLE main.größe (i integer);\n", 'DROP TABLE main."größe";')
    scratch.routine("f", "CREATE OR REPLACE FUNCTION main.f() RETURNS text LANGUAGE sql AS $$ SELECT 'é\x1f' $$;")
    scratch.migration("0002_b", "-- irreversible: it's gone\nSELECT 1;", None)
    scratch.migrate()
    scratch.migration("0003_c", "SELECT 1 / 0;")
    with pytest.raises(DbkitError):
        scratch.migrate()
    scratch.migration("0003_c", "SELECT 1;")
    scratch.migrate()
    scratch.rollback()
    return scratch


def test_the_chain_of_hashes_can_be_recomputed_from_the_rows(lived: Scratch) -> None:
    with lived.connect() as connection:
        rows = connection.execute(f"SELECT previous, hash, {COLUMNS} FROM dbkit.journal ORDER BY id".encode()).fetchall()

    assert len(rows) >= 6
    head = b""
    for previous, found, *columns in rows:
        assert previous == head
        head = hashlib.sha256(previous + "\x1f".join(["1", *columns]).encode()).digest()
        assert found == head


@pytest.mark.parametrize("role", ["migrator", "superuser"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE dbkit.journal SET event = 'applied'",
        "DELETE FROM dbkit.journal",
        "TRUNCATE dbkit.journal",
        "DELETE FROM dbkit.journal WHERE id = 1",
    ],
)
def test_rows_are_never_changed(lived: Scratch, role: str, statement: str) -> None:
    with lived.connect(role) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute(statement.encode())

    assert caught.value.sqlstate == "SH490"


@pytest.mark.parametrize("role", ["app", "readonly"])
def test_the_services_other_roles_can_not_read_or_write_it(lived: Scratch, role: str) -> None:
    for statement in (b"SELECT * FROM dbkit.journal", b"INSERT INTO dbkit.journal DEFAULT VALUES"):
        with lived.connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_a_row_says_who_did_it_with_what(lived: Scratch) -> None:
    with lived.connect(row_factory=psycopg.rows.dict_row) as connection:
        row: Any = connection.execute("SELECT * FROM dbkit.journal WHERE object = 'main/0001_a'").fetchone()

    assert row["database_role"] == "scratch_main_migrator"
    assert row["dbkit_version"] == __version__
    assert row["environment"] == "here"
    assert row["rendered"] == "CREATE TABLE main.größe (i integer);\n"
    assert row["rollback"] == 'DROP TABLE main."größe";'
    assert row["text_hash"] == hashlib.sha256(row["rendered"].encode()).hexdigest()
    assert row["statement"] == 1
    assert row["pid"] > 0
    assert row["server_version"] >= 150000
    assert row["wal_position"]


def test_one_run_has_one_number(lived: Scratch) -> None:
    assert lived.column("SELECT count(*) FROM dbkit.journal GROUP BY run ORDER BY min(id)") == [4, 1, 2, 2]


def test_a_journal_of_a_newer_dbkit_is_refused_and_left_alone(lived: Scratch, connection: Connection) -> None:
    connection.execute("INSERT INTO dbkit.version (version) VALUES (99)")
    lived.migration("0004_d", "CREATE TABLE main.d ();")

    for action in (lived.migrate, lived.status, lived.rollback):
        with pytest.raises(DbkitError, match="version 99"):
            action()
    assert "d" not in lived.tables()


def test_the_first_row_that_was_edited_is_named(lived: Scratch, connection: Connection) -> None:
    assert journal.broken_link(connection) is None
    head = journal.head(connection)
    assert journal.has_head(connection, head)

    connection.execute("ALTER TABLE dbkit.journal DISABLE TRIGGER ALL")
    connection.execute("UPDATE dbkit.journal SET os_user = 'nobody' WHERE id = 3")
    assert (journal.broken_link(connection) or (0,))[0] == 3

    connection.execute("UPDATE dbkit.journal AS j SET hash = dbkit.journal_row_hash(j.previous, j) WHERE id = 3")
    assert (journal.broken_link(connection) or (0,))[0] == 4


def test_a_row_that_was_taken_out_and_a_tail_that_was_cut_are_seen(lived: Scratch, connection: Connection) -> None:
    head = journal.head(connection)
    connection.execute("ALTER TABLE dbkit.journal DISABLE TRIGGER ALL")
    connection.execute("DELETE FROM dbkit.journal WHERE id = (SELECT max(id) FROM dbkit.journal)")

    assert journal.broken_link(connection) is None
    assert not journal.has_head(connection, head)

    connection.execute("DELETE FROM dbkit.journal WHERE id = 2")
    assert (journal.broken_link(connection) or (0,))[0] == 3


def test_a_journal_of_an_older_dbkit_is_brought_up_to_date_and_its_chain_holds(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a ();")
    scratch.migrate()
    with scratch.connect("migrator") as connection:
        connection.execute("DROP SCHEMA dbkit CASCADE")
        connection.execute(sql("journal_1").encode())
        run = journal.Run("here", None)
        journal_row = {"rendered": "CREATE TABLE main.a ();", "rollback": "SELECT 1;", "checksum": token_hash("CREATE TABLE main.a ();")}
        connection.execute(
            "INSERT INTO dbkit.journal (run, event, kind, service, object, rendered, rollback, text_hash, checksum, os_user, host, pid,"
            " dbkit_version, environment, previous, hash) VALUES (%s, 'applied', 'migration', 'main', 'main/0001_a', %s, %s, %s, %s,"
            " 'me', 'here', 1, '0', 'here', '', '')",
            [run.id, *list(journal_row.values())[:2], text_hash(journal_row["rendered"]), journal_row["checksum"]],
        )
    assert scratch.states() == {"0001_a": "applied"}
    scratch.migration("0002_b", "CREATE TABLE main.b ();")

    scratch.migrate()

    assert scratch.states() == {"0001_a": "applied", "0002_b": "applied"}
    with scratch.connect() as connection:
        assert journal.version(connection) == journal.VERSION
        assert journal.broken_link(connection) is None
