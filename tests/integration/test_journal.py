"""The journal takes inserts only, and its rows are chained by hash."""

from __future__ import annotations

import hashlib
from typing import Any

import psycopg
import pytest

from dbkit import __version__
from dbkit.errors import DbkitError
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
    assert lived.column("SELECT count(*) FROM dbkit.journal GROUP BY run ORDER BY min(id)") == [4, 1, 2, 1]


def test_a_journal_of_a_newer_dbkit_is_refused_and_left_alone(lived: Scratch, connection: Connection) -> None:
    connection.execute("INSERT INTO dbkit.version (version) VALUES (99)")
    lived.migration("0004_d", "CREATE TABLE main.d ();")

    for action in (lived.migrate, lived.status, lived.rollback):
        with pytest.raises(DbkitError, match="version 99"):
            action()
    assert "d" not in lived.tables()
