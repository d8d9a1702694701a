"""`dbkit new`: the next number, and a rollback that really undoes what the text tells."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dbkit.draft import draft_rollback
from dbkit.postgres import catalog
from scratch import Scratch, process_environment

BEFORE = """
CREATE TABLE main.a (id bigint PRIMARY KEY, note text, at timestamptz);
CREATE INDEX a_at_idx ON main.a (at);
CREATE TYPE main.mood AS ENUM ('good');
CREATE FUNCTION main.f(i integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION main.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
"""
UNDONE = [
    "CREATE TABLE main.b (i integer); CREATE INDEX b_i_idx ON main.b (i); COMMENT ON TABLE main.b IS 'x';",
    "ALTER TABLE main.a ADD COLUMN x integer NOT NULL DEFAULT 1, ADD CONSTRAINT a_x_check CHECK (x > 0);",
    "ALTER TABLE main.a ALTER COLUMN note SET NOT NULL;",
    "CREATE UNIQUE INDEX a_note_key ON main.a (note);",
    "CREATE TYPE main.pair AS (x integer, y text); CREATE SEQUENCE main.s;",
    "CREATE FUNCTION main.f(i text) RETURNS text LANGUAGE sql AS 'SELECT i';",
    "CREATE VIEW main.v AS SELECT id FROM main.a; GRANT SELECT ON main.v TO scratch_main_readonly;",
    "GRANT SELECT, INSERT ON main.a TO scratch_main_app;",
    "ALTER TABLE main.a RENAME COLUMN note TO remark;",
    "ALTER TABLE main.a RENAME TO c; ALTER INDEX main.a_at_idx RENAME TO c_at_idx;",
    "ALTER TABLE main.a ENABLE ROW LEVEL SECURITY;",
    "CREATE TRIGGER t BEFORE INSERT ON main.a FOR EACH ROW EXECUTE FUNCTION main.t();",
    "ALTER TABLE main.a ADD CONSTRAINT a_fkey FOREIGN KEY (id) REFERENCES main.a NOT VALID; ALTER TABLE main.a VALIDATE CONSTRAINT a_fkey;",
]


@pytest.mark.parametrize("up", UNDONE)
def test_a_drafted_rollback_leaves_the_catalog_as_it_was(scratch: Scratch, up: str) -> None:
    scratch.migration("0001_before", BEFORE)
    scratch.migrate()
    with scratch.connect() as connection:
        first = catalog.read(connection, ["main"])
    drafted = draft_rollback(up)
    assert "TODO" not in drafted

    scratch.migration("0002_up", up, drafted)
    scratch.migrate()
    with scratch.connect() as connection:
        assert catalog.read(connection, ["main"]).fingerprint != first.fingerprint
    scratch.rollback()

    with scratch.connect() as connection:
        assert catalog.read(connection, ["main"]).objects == first.objects


@pytest.mark.parametrize(
    "up",
    [
        "DROP TABLE main.a;",
        "ALTER TABLE main.a DROP COLUMN note;",
        "ALTER TABLE main.a ALTER COLUMN at TYPE text;",
        "ALTER TYPE main.mood ADD VALUE 'bad';",
        "UPDATE main.a SET note = '';",
    ],
)
def test_what_the_text_cant_undo_is_said_and_is_no_rollback(scratch: Scratch, up: str) -> None:
    drafted = draft_rollback(up)

    assert drafted.startswith("-- TODO")
    scratch.migration("0001_before", BEFORE)
    scratch.migration("0002_up", up, drafted)
    assert "no statement" in scratch.call("migrate", code=2).err


def test_a_concurrent_index_is_dropped_concurrently(scratch: Scratch) -> None:
    assert draft_rollback("CREATE INDEX CONCURRENTLY i ON main.a (id);") == "-- transactional: false\nDROP INDEX CONCURRENTLY main.i;\n"


def test_the_next_number_is_written_with_its_rollback_and_migrates(scratch: Scratch) -> None:
    scratch.migration("0001_before", BEFORE, "DROP SCHEMA IF EXISTS nothing;")
    done = subprocess.run(
        [sys.executable, "-m", "dbkit", "new", "main", "Add a delivery date!", "--sql", "-"],
        cwd=scratch.root,
        env=process_environment(),
        input="ALTER TABLE main.a ADD COLUMN delivered_at timestamptz;\n",
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "migrations/main/0002_add_a_delivery_date.sql" in done.stdout
    scratch.migrate()
    scratch.rollback()
    assert scratch.states() == {"0001_before": "applied", "0002_add_a_delivery_date": "pending"}


def test_an_empty_draft_is_refused_until_it_is_filled(scratch: Scratch) -> None:
    scratch.call("new", "main", "first", code=0)

    assert "no statement" in scratch.call("migrate", code=2).err
    assert (scratch.root / "migrations/main/0001_first.rollback.sql").is_file()
    assert "letter" in scratch.call("new", "main", "!!", code=2).err


def test_sql_that_does_not_parse_writes_nothing(scratch: Scratch) -> None:
    scratch.write("x.sql", "SELECT 1;\nCREATE TABEL x ();\n")

    assert "line 2" in scratch.call("new", "main", "x", "--sql", "x.sql", code=2).err
    assert not (scratch.root / "migrations/main").exists()
