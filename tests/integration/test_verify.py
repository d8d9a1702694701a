"""Drift is named object by object, and a rebuild of what is applied is what it is held against."""

from __future__ import annotations

import pytest

from dbkit.verify import READING
from scratch import Scratch


@pytest.fixture
def shop(scratch: Scratch) -> Scratch:
    scratch.migration(
        "0001_a",
        """
        CREATE TABLE main.a (id bigint PRIMARY KEY, note text NOT NULL DEFAULT '', at timestamptz);
        CREATE INDEX a_note_idx ON main.a (note);
        CREATE TYPE main.mood AS ENUM ('good', 'bad');
        COMMENT ON TABLE main.a IS 'the first';
        GRANT SELECT ON main.a TO scratch_main_readonly;
        """,
        "DROP TABLE main.a; DROP TYPE main.mood;",
    )
    scratch.routine("f", "CREATE OR REPLACE FUNCTION main.f() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT count(*) FROM main.a $$;")
    scratch.routine("v", "CREATE OR REPLACE VIEW main.v WITH (security_invoker = true) AS SELECT id, note FROM main.a;")
    scratch.migrate()
    return scratch


DRIFT = [
    ("DROP INDEX main.a_note_idx", "missing", "index", "main.a.a_note_idx", "main/0001_a"),
    ("ALTER TABLE main.a ALTER note DROP NOT NULL", "changed", "column", "main.a.note", "main/0001_a"),
    ("ALTER TABLE main.a ADD extra integer", "unexpected", "column", "main.a.extra", ""),
    (
        "CREATE OR REPLACE FUNCTION main.f() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 1::bigint'",
        "changed",
        "function",
        "main.f()",
        "main/f",
    ),
    ("ALTER VIEW main.v RESET (security_invoker)", "changed", "view", "main.v", "main/v"),
    ("GRANT DELETE ON main.a TO scratch_main_readonly", "changed", "table", "main.a", "main/0001_a"),
    ("REVOKE SELECT ON main.a FROM scratch_main_readonly", "changed", "table", "main.a", "main/0001_a"),
    ("COMMENT ON TABLE main.a IS 'the last'", "changed", "table", "main.a", "main/0001_a"),
    ("ALTER TABLE main.a OWNER TO scratch_main_migrator", "changed", "table", "main.a", "main/0001_a"),
    ("ALTER TYPE main.mood ADD VALUE 'worse'", "changed", "enum", "main.mood", "main/0001_a"),
    ("CREATE TABLE main.stray ()", "unexpected", "table", "main.stray", ""),
]


def test_what_a_migration_made_is_no_drift_and_nothing_is_written(shop: Scratch) -> None:
    before = shop.value("SELECT count(*) FROM dbkit.journal")

    assert "no drift" in shop.call("verify", code=0).out
    assert "no drift" in shop.call("verify", "--fingerprint", code=0).out
    assert "unbroken" in shop.call("verify", "--journal", code=0).out

    assert shop.value("SELECT count(*) FROM dbkit.journal") == before


def test_each_kind_of_drift_is_named_with_where_it_was_made(shop: Scratch) -> None:
    for change, verdict, kind, name, made_by in DRIFT:
        with shop.connect() as connection:
            connection.execute(change.encode())
        document = shop.call("--format", "json", "verify", "main", code=1).document
        found = {(p["verdict"], p["kind"], p["object"], p["made_by"]) for p in document["services"][0]["problems"]}
        assert (verdict, kind, name, made_by) in found, (change, found)
    assert "drift" in shop.call("verify", "--fingerprint", code=1).out
    text = shop.call("verify", code=1).out
    assert "SELECT 1::bigint" in text
    assert "comment: expected the first; found the last" in text


def test_the_script_that_is_printed_ends_all_of_it(shop: Scratch) -> None:
    for change, *_ in DRIFT:
        with shop.connect() as connection:
            connection.execute(change.encode())
    script = shop.call("verify", "main", "--sql", code=1).out
    assert "-- loses data: what is in column main.a.extra\nALTER TABLE main.a DROP COLUMN extra;" in script

    shop.run("psql", "main", stdin=f"\\set ON_ERROR_STOP on\n{script}", code=0)

    assert "no drift" in shop.call("verify", code=0).out
    assert "no drift" in shop.call("verify", "--fingerprint", code=0).out
    assert shop.call("verify", "main", "--sql", code=0).out == ""


def test_each_problem_comes_with_the_sql_that_puts_it_right(shop: Scratch) -> None:
    with shop.connect() as connection:
        connection.execute("DROP INDEX main.a_note_idx; ALTER TABLE main.a ALTER at TYPE date")

    found = shop.call("--format", "json", "verify", "main", code=1).document["services"][0]

    repairs = {p["object"]: p["repair"] for p in found["problems"]}
    assert repairs["main.a.a_note_idx"] == "CREATE INDEX a_note_idx ON main.a USING btree (note);"
    assert repairs["main.a.at"] == "ALTER TABLE main.a ALTER COLUMN at TYPE timestamp with time zone USING at::timestamp with time zone;"
    assert found["repair"].startswith("BEGIN;\n")
    text = shop.call("verify", code=1).out
    assert "CREATE INDEX a_note_idx ON main.a USING btree (note);" in text


def test_a_foreign_key_that_was_switched_off_is_drift_and_is_put_right(shop: Scratch) -> None:
    """It is listed as before, and asks nobody: orphans come in."""
    shop.migration("0002_b", "CREATE TABLE main.b (a bigint CONSTRAINT b_a_fkey REFERENCES main.a);", "DROP TABLE main.b;")
    shop.migrate()
    with shop.connect() as connection:
        connection.execute("ALTER TABLE main.b DISABLE TRIGGER ALL")
        connection.execute("INSERT INTO main.b VALUES (7)")
        connection.execute("DELETE FROM main.b")

    (problem,) = shop.call("--format", "json", "verify", "main", code=1).document["services"][0]["problems"]
    assert (problem["verdict"], problem["kind"], problem["object"]) == ("changed", "constraint", "main.b.b_a_fkey")

    with shop.connect() as connection:
        connection.execute(shop.call("verify", "main", "--sql", code=1).out.encode())
    shop.call("verify", "main", code=0)


def test_a_column_that_was_renamed_keeps_its_rows(shop: Scratch) -> None:
    with shop.connect() as connection:
        connection.execute(
            "INSERT INTO main.a VALUES (1, 'kept'); ALTER TABLE main.a RENAME note TO remark; ALTER TYPE main.mood RENAME TO temper"
        )
    script = shop.call("verify", "main", "--sql", code=1).out

    shop.run("psql", "main", stdin=f"\\set ON_ERROR_STOP on\n{script}", code=0)

    assert "loses data" not in script
    assert shop.value("SELECT note FROM main.a") == "kept"
    shop.call("verify", code=0)


def test_a_table_stands_for_its_parts(shop: Scratch) -> None:
    shop.value("DROP TABLE main.a CASCADE")

    problems = shop.call("--format", "json", "verify", "main", code=1).document["services"][0]["problems"]

    assert [(p["kind"], p["object"]) for p in problems] == [("table", "main.a"), ("view", "main.v")]
    assert "CREATE INDEX a_note_idx" in problems[0]["repair"]


def test_the_maker_of_an_object_is_read_from_the_parse_tree(shop: Scratch) -> None:
    shop.migration(
        "0002_names",
        "CREATE TABLE main.ab (id bigint, note text);\n-- a_note_idx, main.a.note and note are only mentioned here",
        "SELECT 1;",
    )
    shop.migration("0003_comment", "COMMENT ON COLUMN main.a.at IS 'when';\nGRANT SELECT ON main.ab TO scratch_main_app;", "SELECT 1;")
    shop.migration("0004_do", "DO $$ BEGIN EXECUTE 'CREATE TABLE main.hidden (i integer)'; END $$;", "SELECT 1;")
    shop.migrate()
    with shop.connect() as connection:
        connection.execute(
            "DROP INDEX main.a_note_idx; ALTER TABLE main.a ALTER note DROP NOT NULL; ALTER TABLE main.a ALTER at SET NOT NULL"
        )
        connection.execute(
            "ALTER TABLE main.ab ALTER id SET NOT NULL; REVOKE SELECT ON main.ab FROM scratch_main_app; DROP TABLE main.hidden"
        )

    problems = shop.call("--format", "json", "verify", "main", code=1).document["services"][0]["problems"]

    assert {p["object"]: p["made_by"].partition("/")[2] for p in problems} == {
        "main.a.a_note_idx": "0001_a",
        "main.a.note": "0001_a",
        "main.a.at": "0003_comment",
        "main.ab.id": "0002_names",
        "main.ab": "0003_comment",
        "main.hidden": "0004_do",
    }


def test_the_fingerprint_of_another_major_is_not_comparable(shop: Scratch) -> None:
    with shop.connect() as connection:
        connection.execute("ALTER TABLE dbkit.journal DISABLE TRIGGER ALL")
        connection.execute("UPDATE dbkit.journal SET fingerprint = '2:9:abc' WHERE fingerprint IS NOT NULL")

    told = shop.call("verify", "--fingerprint", code=0).out

    assert "unknown" in told
    assert "not comparable: 2:9 was recorded" in told


def test_no_table_is_locked_and_nothing_runs_for_long(shop: Scratch) -> None:
    with shop.connect() as holder:
        holder.execute("CREATE TABLE main.held (i integer)")
        holder.execute("BEGIN; LOCK TABLE main.held IN ACCESS EXCLUSIVE MODE")
        assert "unexpected" in shop.call("verify", code=1).out
        holder.execute("ROLLBACK")
    with shop.database().connect("verify", **READING) as connection:
        shown = {name: (connection.execute(f"SHOW {name}".encode()).fetchone() or ("",))[0] for name in READING}
    assert shown == {"default_transaction_read_only": "on", "lock_timeout": "5s", "statement_timeout": "1min"}


def test_what_is_pending_is_no_drift(shop: Scratch) -> None:
    shop.migration("0002_b", "CREATE TABLE main.b ();")
    shop.routine("v", "CREATE OR REPLACE VIEW main.v WITH (security_invoker = true) AS SELECT id FROM main.a;")
    shop.routine("w", "CREATE OR REPLACE VIEW main.w AS SELECT 1 AS one;")

    assert "no drift" in shop.call("verify", code=0).out


def test_what_the_manifest_ignores_is_left_out(shop: Scratch) -> None:
    shop.value("CREATE TABLE main.tmp_x (i integer)")
    shop.describe(more='[verify]\nignore = ["main.tmp_*"]\n')

    assert "no drift" in shop.call("verify", code=0).out


def test_an_edited_journal_and_a_cut_one_are_found(shop: Scratch) -> None:
    head = shop.call("--format", "json", "verify", "--journal", code=0).document["services"][0]["head"]
    with shop.connect() as connection:
        connection.execute("ALTER TABLE dbkit.journal DISABLE TRIGGER ALL")
        connection.execute("DELETE FROM dbkit.journal WHERE id = (SELECT max(id) FROM dbkit.journal)")
    assert shop.call("verify", "--journal", code=0)
    assert "the tail was cut" in shop.call("verify", "--journal", "--head", head, code=1).out

    with shop.connect() as connection:
        connection.execute("UPDATE dbkit.journal SET host = 'elsewhere' WHERE id = 1")
    assert "row 1 (main/0001_a) is not as it was written" in shop.call("verify", "--journal", code=1).out


def test_one_role_alone_is_verified_without_owners(scratch: Scratch) -> None:
    assert scratch.pool
    with scratch.connect() as connection:
        connection.execute("DROP ROLE IF EXISTS solo")
        connection.execute("CREATE ROLE solo LOGIN")
        connection.execute(f'GRANT CREATE, CONNECT ON DATABASE "{scratch.database_name("main")}" TO solo'.encode())
    scratch.write(
        "dbkit.toml",
        f"""
        [project]
        name = "solo"
        default_environment = "here"
        [services.main]
        shared = []
        [environments.here]
        url = "postgresql:///{scratch.database_name("main")}?host={scratch.pool.server.sockets}&user=solo"
        """,
    )
    scratch.migration(
        "0001_a",
        """
        CREATE TYPE main.mood AS ENUM ('good', 'bad');
        CREATE TABLE main.a (i integer, mood main.mood) PARTITION BY LIST (i);
        CREATE TABLE main.a_1 PARTITION OF main.a FOR VALUES IN (1);
        """,
        "DROP TABLE main.a;",
    )
    scratch.migrate()
    try:
        told = scratch.call("verify", code=0)
        assert "no drift" in told.out
        assert "owners and privileges are not compared" in told.err
        with scratch.connect() as connection:
            connection.execute("ALTER TABLE main.a ADD j integer; ALTER TABLE main.a_1 SET (fillfactor = 50)")
            connection.execute("ALTER TYPE main.mood ADD VALUE 'worse'")
        script = scratch.call("verify", "main", "--sql", code=1).out
        assert "SET LOCAL ROLE" not in script
        scratch.run("psql", "main", stdin=f"\\set ON_ERROR_STOP on\n{script}", code=0)
        scratch.call("verify", code=0)
    finally:
        with scratch.connect() as connection:
            connection.execute("DROP OWNED BY solo CASCADE; DROP ROLE solo")


def test_after_a_rollback_the_fingerprint_is_that_of_then(shop: Scratch) -> None:
    shop.migration("0002_b", "CREATE TABLE main.b ();", "DROP TABLE main.b;")
    shop.migrate()
    shop.rollback()

    assert "no drift" in shop.call("verify", "--fingerprint", code=0).out


def test_a_table_that_somebody_holds_does_not_stop_the_end_of_a_run(shop: Scratch) -> None:
    shop.describe(more='[migrate]\nlock_timeout = "200ms"\n')
    shop.migration("0002_b", "CREATE TABLE main.b ();", "DROP TABLE main.b;")
    with shop.connect() as holder:
        holder.execute("BEGIN; LOCK TABLE main.a IN ACCESS EXCLUSIVE MODE")
        shop.migrate()
        holder.execute("ROLLBACK")

    assert shop.states()["0002_b"] == "applied"


def test_what_only_a_person_can_know_is_said_and_nothing_is_changed_until_then(shop: Scratch) -> None:
    with shop.connect() as connection:
        connection.execute("ALTER TABLE main.a ADD must integer NOT NULL; INSERT INTO main.a (id, must) VALUES (1, 2)")
        connection.execute("DROP VIEW main.v; ALTER TABLE main.a DROP note, DROP must")
    shop.migration(
        "0002_b", "ALTER TABLE main.a ADD must integer NOT NULL DEFAULT 1; ALTER TABLE main.a ALTER must DROP DEFAULT;", "SELECT 1;"
    )
    shop.migrate()
    shop.value("ALTER TABLE main.a DROP must")

    script = shop.call("verify", "main", "--sql", code=1).out

    assert "-- by hand: rows that are there need a value in main.a.must before the next statement\nALTER TABLE" in script
    told = shop.run("psql", "main", stdin=f"\\set ON_ERROR_STOP on\n{script}")
    assert "contains null values" in told.err
    assert shop.value("SELECT to_regclass('main.v')") is None
    filled = script.replace("-- by hand: rows that", "UPDATE main.a SET must = 1; --")
    shop.run("psql", "main", stdin=f"\\set ON_ERROR_STOP on\n{filled}", code=0)
    shop.call("verify", code=0)
