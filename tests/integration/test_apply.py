"""A migration is one transaction together with its mark; whatever the script does to its session."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from dbkit.errors import ConfigurationError, DbkitError
from dbkit.migrate.engine import Event
from dbkit.migrate.unit import run_in_transaction
from dbkit.postgres.session import Session
from scratch import Scratch, until

Connection = psycopg.Connection[tuple[Any, ...]]


def failure(scratch: Scratch) -> DbkitError:
    with pytest.raises(DbkitError) as caught:
        scratch.migrate()
    return caught.value


def test_migrate_applies_what_is_pending_in_order(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);")
    scratch.migration("0002_b", "ALTER TABLE main.a ADD b integer;")
    events: list[Event] = []

    plan = scratch.migrate(events=events)

    assert [planned.migration.name for planned in plan.migrations] == ["0001_a", "0002_b"]
    assert [(event.kind, event.object) for event in events if event.kind == "applied"] == [
        ("applied", "main/0001_a"),
        ("applied", "main/0002_b"),
    ]
    assert scratch.tables() == {"a"}
    assert scratch.states() == {"0001_a": "applied", "0002_b": "applied"}
    assert scratch.events() == [("applied", "0001_a"), ("applied", "0002_b")]


def test_a_second_run_does_nothing_and_writes_nothing(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);")
    scratch.routine("f", "CREATE OR REPLACE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';")
    scratch.routine("v", "CREATE OR REPLACE VIEW main.v AS SELECT * FROM main.a;")
    scratch.migrate()

    def trace() -> tuple[Any, ...]:
        with scratch.connect() as connection:
            return (
                connection.execute("SELECT count(*), max(id) FROM dbkit.journal").fetchone(),
                connection.execute("SELECT xmin FROM pg_proc WHERE proname = 'f'").fetchone(),
                connection.execute("SELECT xmin FROM pg_class WHERE relname IN ('a', 'v') ORDER BY relname").fetchall(),
                connection.execute("SELECT count(*) FROM main._yoyo_log").fetchone(),
                connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())").fetchone(),
            )

    before = trace()
    plan = scratch.migrate()

    assert plan.is_empty
    assert trace() == before


def test_a_run_can_stop_at_a_migration(scratch: Scratch) -> None:
    for number in (1, 2, 3):
        scratch.migration(f"000{number}_m", f"CREATE TABLE main.t{number} ();")

    scratch.migrate(to="0002")

    assert scratch.states() == {"0001_m": "applied", "0002_m": "applied", "0003_m": "pending"}


def test_routines_wait_where_a_run_stops_before_the_last_migration(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a ();")
    scratch.migration("0002_b", "CREATE TABLE main.b ();")
    scratch.routine("v", "CREATE OR REPLACE VIEW main.v AS SELECT * FROM main.b;")

    scratch.migrate(to="0001")
    assert scratch.tables() == {"a"}

    scratch.migrate(to="0002")
    assert scratch.tables() == {"a", "b", "v"}


def test_a_stop_that_is_not_there_is_answered_with_the_nearest(scratch: Scratch) -> None:
    scratch.migration("0001_create_orders", "CREATE TABLE main.t ();")

    with pytest.raises(ConfigurationError, match="did you mean '0001_create_orders'"):
        scratch.migrate(to="0001_create_order")


def test_change_and_mark_go_in_together_or_not_at_all(scratch: Scratch, connection: Connection) -> None:
    """The journal's insert fails: the change, which had succeeded, is not there either."""
    scratch.migration("0001_a", "CREATE TABLE main.a ();")
    scratch.migrate()
    connection.execute(
        """
        CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.event = 'applied' THEN RAISE 'no mark'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON dbkit.journal FOR EACH ROW EXECUTE FUNCTION public.refuse();
        """
    )
    scratch.migration("0002_b", "CREATE TABLE main.b ();")

    error = failure(scratch)

    assert "no mark" in error.message
    assert scratch.tables() == {"a"}
    assert scratch.column("SELECT migration_id FROM main._yoyo_migration") == ["0001_a"]
    assert scratch.events()[-1] == ("failed", "0002_b")

    connection.execute("DROP TRIGGER refuse ON dbkit.journal")
    scratch.migrate()

    assert scratch.tables() == {"a", "b"}


def test_yoyos_mark_is_in_the_same_transaction(scratch: Scratch, connection: Connection) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a ();")
    scratch.migrate()

    xids = connection.execute(
        """
        SELECT xmin::text FROM pg_class WHERE oid = 'main.a'::regclass
        UNION ALL SELECT xmin::text FROM dbkit.journal WHERE event = 'applied'
        UNION ALL SELECT xmin::text FROM main._yoyo_migration
        UNION ALL SELECT xmin::text FROM main._yoyo_log
        """
    ).fetchall()

    assert len(xids) == 4
    assert len(set(xids)) == 1


def test_scripts_and_routines_run_as_the_owner(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a ();")
    scratch.routine("f", "CREATE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';")
    scratch.migrate()

    owners = scratch.column(
        "SELECT relowner::regrole::text FROM pg_class WHERE relname IN ('a', '_yoyo_migration')"
        " UNION ALL SELECT proowner::regrole::text FROM pg_proc WHERE proname = 'f'"
        " UNION ALL SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'main'"
    )

    assert owners == ["scratch_main_owner"] * 4
    assert scratch.value("SELECT relowner::regrole::text FROM pg_class WHERE oid = 'dbkit.journal'::regclass") == "scratch_main_migrator"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO dbkit.journal (run, event) VALUES (gen_random_uuid(), 'applied')",
        "DELETE FROM dbkit.journal",
        "TRUNCATE dbkit.journal",
        "DROP TABLE dbkit.journal",
        "ALTER TABLE dbkit.journal DISABLE TRIGGER ALL",
        "DROP SCHEMA dbkit CASCADE",
    ],
)
def test_a_script_can_not_touch_the_journal(scratch: Scratch, statement: str) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a ();")
    scratch.migrate()
    scratch.migration("0002_b", f"{statement};")

    error = failure(scratch)

    assert error.sqlstate == "42501"
    assert scratch.events() == [("applied", "0001_a"), ("failed", "0002_b")]


SESSION_TRICKS = [
    "SET search_path = pg_temp, nowhere",
    "SELECT set_config('search_path', '', false)",
    "SET LOCAL search_path = ''",
    "DO $$ BEGIN EXECUTE 'SET ROLE NONE'; END $$",
    "DO $$ BEGIN EXECUTE 'RESET SESSION AUTHORIZATION'; END $$",
    "SELECT set_config('role', 'none', false)",
    "RESET ALL",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "SET default_transaction_read_only = on",
    "SET DateStyle = 'German'",
    "SET TimeZone = 'Asia/Kathmandu'",
    "SET client_encoding = 'LATIN1'",
    "SET client_min_messages = error",
    "SET statement_timeout = '1h'",
    "SET row_security = off",
    "SET CONSTRAINTS ALL DEFERRED",
    "SET bytea_output = 'escape'",
    "SELECT pg_advisory_unlock_all()",
    "SELECT pg_advisory_lock(1684171636, 2)",
    "CREATE TEMPORARY TABLE journal (i integer); CREATE TEMPORARY TABLE _yoyo_migration (i integer)",
    "PREPARE p AS SELECT 1; DECLARE c CURSOR WITH HOLD FOR SELECT 1; LISTEN x; DEALLOCATE ALL; CLOSE ALL; UNLISTEN *",
    "CREATE FUNCTION main.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'; SET search_path = main, pg_catalog",
]


@pytest.mark.parametrize("trick", SESSION_TRICKS)
def test_what_a_script_does_to_its_session_moves_no_mark_and_reaches_no_other(scratch: Scratch, trick: str) -> None:
    scratch.migration("0001_trick", f"{trick};")
    scratch.migration(
        "0002_after",
        """
        CREATE TABLE main.seen AS
        SELECT current_setting('search_path') AS path, current_user::text AS who, session_user::text AS login,
            current_setting('DateStyle') AS dates, current_setting('statement_timeout') AS timeout,
            current_setting('client_encoding') AS encoding, 'größe' AS letters;
        """,
    )

    scratch.migrate()

    with scratch.connect() as connection:
        seen = connection.execute("SELECT * FROM main.seen").fetchone()
    assert seen == ('"$user", public', "scratch_main_owner", "scratch_main_migrator", "ISO, MDY", "0", "UTF8", "größe")
    assert scratch.events() == [("applied", "0001_trick"), ("applied", "0002_after")]
    assert scratch.column("SELECT migration_id FROM main._yoyo_migration ORDER BY 1") == ["0001_trick", "0002_after"]
    assert scratch.migrate().is_empty


@pytest.mark.parametrize("statement", ["DISCARD ALL", "SET SESSION AUTHORIZATION postgres"])
def test_what_the_server_refuses_in_a_script_is_this_migrations_failure(scratch: Scratch, statement: str) -> None:
    scratch.migration("0001_a", f"CREATE TABLE main.a ();\n{statement};")

    error = failure(scratch)

    assert error.where == f"{scratch.root}/migrations/main/0001_a.sql:2"
    assert scratch.tables() == set()


def test_a_transaction_made_read_only_leaves_nothing_half_done(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a ();\nSELECT set_config('transaction_read_only', 'on', false);")

    error = failure(scratch)

    assert error.sqlstate == "25006"
    assert scratch.tables() == set()
    assert scratch.states() == {"0001_a": "failed"}


def test_a_deferred_constraint_that_fails_is_this_migrations_failure(scratch: Scratch) -> None:
    scratch.migration(
        "0001_a",
        """
        CREATE TABLE main.a (i integer CONSTRAINT a_key UNIQUE DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO main.a VALUES (1), (1);
        """,
    )
    scratch.migration("0002_b", "CREATE TABLE main.b ();")

    error = failure(scratch)

    assert error.sqlstate == "23505"
    assert "main/0001_a" in error.message
    assert error.where == f"{scratch.root}/migrations/main/0001_a.sql"
    assert scratch.events() == [("failed", "0001_a")]
    assert scratch.tables() == set()


@pytest.mark.parametrize(
    "call",
    ["CALL public.sneaky()", "DO $$ BEGIN EXECUTE 'COM' || 'MIT'; END $$", "DO $$ BEGIN CALL public.sneaky(); END $$"],
)
def test_a_commit_that_is_hidden_from_the_parser_is_refused_by_the_server(scratch: Scratch, connection: Connection, call: str) -> None:
    connection.execute("CREATE PROCEDURE public.sneaky() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$")
    scratch.migration("0001_a", f"CREATE TABLE main.a ();\n{call};")

    error = failure(scratch)

    assert error.sqlstate in {"2D000", "0A000"}
    assert scratch.tables() == set()
    assert scratch.states() == {"0001_a": "failed"}


@pytest.mark.parametrize("script", ["CREATE TABLE public.x (); COMMIT; BEGIN", "COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK; BEGIN"])
def test_a_script_that_ended_the_transaction_is_never_marked(connection: Connection, script: str) -> None:
    """A newer server's syntax may hide a COMMIT from our parser: the transaction's id tells."""
    with pytest.raises(DbkitError, match="ended dbkit's transaction"):
        run_in_transaction(
            Session(connection, "postgres", "1s"),
            name="x",
            text=script,
            source=None,
            before=lambda: None,
            mark=lambda: connection.execute("CREATE TABLE public.marked ()"),
        )

    assert connection.execute("SELECT to_regclass('public.marked')").fetchone() == (None,)
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


@pytest.mark.parametrize(
    ("script", "left", "said"),
    [
        ("CREATE TABLE main.a ();\nCOMMIT;\nCREATE TABLE main.b ();", {"a", "b"}, "statement 2 ended dbkit's transaction"),
        ("CREATE TABLE main.a ();\nCOMMIT;\nCREATE TABLE main.b ();\nSELECT 1 / 0;", {"a"}, "and not marked; statement 4 failed"),
        ("CREATE TABLE main.a ();\nROLLBACK;\nCREATE TABLE main.b ();", {"b"}, "ended dbkit's transaction"),
    ],
)
def test_a_commit_that_gets_through_stops_the_run_and_the_journal_says_up_to_where(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch, script: str, left: set[str], said: str
) -> None:
    from dbkit.source import objections

    monkeypatch.setattr(objections, "objections", lambda *_, **__: [])  # as if it were hidden from the parser
    scratch.migration("0001_a", script)
    scratch.migration("0002_b", "CREATE TABLE main.never ();")

    error = failure(scratch)

    assert said in error.message
    assert "nothing of it was applied" not in f"{error.hint}"
    assert scratch.tables() == left
    assert scratch.events() == [("failed", "0001_a")]
    assert said in scratch.value("SELECT detail ->> 'message' FROM dbkit.journal WHERE event = 'failed'")


def test_an_error_names_the_templates_line_the_state_the_servers_hint_and_shows_the_place(scratch: Scratch) -> None:
    scratch.write(
        "schemas/_shared/macros.sql.j2",
        "{% macro table(name) %}\nCREATE TABLE {{ schema }}.{{ name }} (\n    i intger\n);\n{% endmacro %}\n",
    )
    scratch.write("migrations/main/0001_a.sql.j2", "{% from 'macros.sql.j2' import table with context %}\n\n-- one\n{{ table('a') }}\n")
    scratch.write("migrations/main/0001_a.rollback.sql", "SELECT 1;")

    error = failure(scratch)

    assert error.where == f"{scratch.root}/schemas/_shared/macros.sql.j2:3"
    assert error.sqlstate == "42704"
    assert 'type "intger" does not exist' in error.message
    assert error.excerpt is not None
    assert "> 4 |     i intger" in error.excerpt
    assert error.hint is not None


def test_an_error_without_a_position_names_the_statement_that_failed(scratch: Scratch) -> None:
    scratch.migration(
        "0001_a", "CREATE TABLE main.a (i integer CHECK (i > 0));\n\nINSERT INTO main.a\nVALUES (1);\n\nINSERT INTO main.a\nVALUES (-1);\n"
    )

    error = failure(scratch)

    assert error.where == f"{scratch.root}/migrations/main/0001_a.sql:6"
    assert "statement 3 of 3" in error.message
    assert "detail: Failing row contains (-1)" in error.message
    assert error.sqlstate == "23514"


def test_the_servers_own_hint_is_passed_on(scratch: Scratch) -> None:
    scratch.migration("0001_a", "DO $$ BEGIN RAISE EXCEPTION USING MESSAGE = 'no', HINT = 'try the other way', ERRCODE = 'SH001'; END $$;")

    error = failure(scratch)

    assert (error.hint, error.sqlstate) == ("try the other way", "SH001")


def test_an_enum_label_used_in_its_own_transaction_is_refused_where_the_text_shows_it(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TYPE main.e AS ENUM ('a');\nCREATE TABLE main.t (e main.e);")
    scratch.migration("0002_b", "ALTER TYPE main.e ADD VALUE 'b';\nINSERT INTO main.t VALUES ('b'::main.e);")

    error = failure(scratch)

    assert (error.exit_code, error.where) == (2, f"{scratch.root}/migrations/main/0002_b.sql:2")
    assert "the label 'b' of e, added in line 1, can't be used before its transaction is over" in error.message
    assert scratch.value("SELECT to_regnamespace('main') IS NULL")


def test_an_enum_label_used_in_its_own_transaction_fails_as_a_whole_where_only_the_server_sees_it(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TYPE main.e AS ENUM ('a');\nCREATE TABLE main.t (e main.e);")
    scratch.migration("0002_b", "ALTER TYPE main.e ADD VALUE 'b';\nINSERT INTO main.t VALUES ('b');")

    error = failure(scratch)

    assert (error.sqlstate, error.where) == ("55P04", f"{scratch.root}/migrations/main/0002_b.sql:2")
    assert error.hint is not None
    assert scratch.column("SELECT enumlabel FROM pg_enum") == ["a"]


def test_a_label_of_a_type_made_in_the_same_file_is_left_to_the_server(scratch: Scratch) -> None:
    """From 17 on it is of use at once, before that it is not."""
    scratch.migration("0001_a", "CREATE TYPE main.e AS ENUM ('a');\nALTER TYPE main.e ADD VALUE 'b';\nSELECT 'b'::main.e;")
    with scratch.connect() as connection:
        is_of_use = connection.info.server_version >= 170000

    if is_of_use:
        scratch.migrate()
    else:
        assert failure(scratch).sqlstate == "55P04"


def test_a_dump_with_restrict_lines_fails_with_its_own_error(scratch: Scratch) -> None:
    scratch.migration("0001_a", "\\restrict aB3\nCREATE TABLE main.a ();\nSELECT 1 / 0;\n\\unrestrict aB3\n")

    error = failure(scratch)

    assert error.sqlstate == "22012"
    assert error.where == f"{scratch.root}/migrations/main/0001_a.sql:3"


def test_a_dump_with_restrict_lines_is_applied(scratch: Scratch) -> None:
    scratch.migration(
        "0001_a", "\\restrict aB3\nSELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE main.a ();\n\\unrestrict aB3\n"
    )

    scratch.migrate()

    assert scratch.tables() == {"a"}
    assert scratch.migrate().is_empty


def test_a_failed_migration_that_is_mended_is_applied(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a ();")
    scratch.migration("0002_b", "CREATE TABLE main.b (); SELECT 1 / 0;")

    failure(scratch)
    assert scratch.states() == {"0001_a": "applied", "0002_b": "failed"}
    assert scratch.tables() == {"a"}

    scratch.migration("0002_b", "CREATE TABLE main.b ();")
    scratch.migrate()

    assert scratch.events() == [("applied", "0001_a"), ("failed", "0002_b"), ("applied", "0002_b")]
    assert scratch.states() == {"0001_a": "applied", "0002_b": "applied"}


def test_the_journal_says_why_a_migration_failed(scratch: Scratch) -> None:
    scratch.migration("0001_a", "SELECT 1;\nSELECT 1 / 0;")

    failure(scratch)

    detail = scratch.value("SELECT detail FROM dbkit.journal WHERE event = 'failed'")
    assert detail["sqlstate"] == "22012"
    assert "division by zero" in detail["message"]
    assert detail["where"].endswith("0001_a.sql:2")


REACHES_UNCHANGED = [r"""%s %(x)s %% ? :name :1 $1 {} {{x}} \n \\ ' "" `""", "é 大 \t 🙂", "-- ; /* */", "$$ $x$"]


@pytest.mark.parametrize("text", REACHES_UNCHANGED)
def test_what_looks_like_a_placeholder_reaches_the_server_unchanged(scratch: Scratch, text: str) -> None:
    scratch.write("migrations/main/0001_a.sql", f"CREATE TABLE main.a AS SELECT '{text.replace(chr(39), chr(39) * 2)}' AS t;".encode())
    scratch.write("migrations/main/0001_a.rollback.sql", "DROP TABLE main.a;")

    scratch.migrate()

    assert scratch.value("SELECT t FROM main.a") == text


def test_notices_are_handed_on(scratch: Scratch) -> None:
    scratch.migration("0001_a", "DO $$ BEGIN RAISE NOTICE 'half way'; RAISE WARNING 'look'; END $$;")
    events: list[Event] = []

    scratch.migrate(events=events)

    assert [event.text for event in events if event.kind == "notice"] == ["NOTICE: half way", "WARNING: look"]


BAD = [
    ("SELECT 1;\nCREATE INDEX CONCURRENTLY i ON main.a (b);", 2, "CONCURRENTLY"),
    ("SELECT 1;\n\nSELEKT 2;", 3, "syntax error"),
    ("SELECT 'a;", 1, "unterminated"),
    ("-- nothing here", 1, "no statement"),
    ("-- transactional: false\nVACUUM;\nCREATE INDEX CONCURRENTLY ON main.a (b);", 3, "index without a name"),
    ("-- transactional: false\nALTER TABLE main.a ADD UNIQUE (b);", 2, "constraint without a name"),
    ("-- backfill: key=id\nSELECT 1;", 1, "a backfill is one UPDATE"),
    ("-- backfill: id\nUPDATE main.a SET b = 1;", 1, "backfill must read like"),
    ("-- backfill: key=id\nUPDATE main.a SET id = 1;", 1, "changes its own key"),
    ("-- backfill: key=id\n-- transactional: false\nUPDATE main.a SET b = 1;", 1, "no place beside"),
]


@pytest.mark.parametrize(("script", "line", "said"), BAD)
def test_bad_input_is_refused_before_anything_runs(scratch: Scratch, script: str, line: int, said: str) -> None:
    scratch.migration("0001_fine", "CREATE TABLE main.a ();")
    scratch.migration("0002_bad", script)

    error = failure(scratch)

    assert error.exit_code == 2
    assert said in error.message
    assert error.where == f"{scratch.root}/migrations/main/0002_bad.sql:{line}"
    assert scratch.tables() == set()
    assert scratch.value("SELECT to_regclass('dbkit.journal')") is None


def test_a_bad_rollback_is_refused_before_anything_runs(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a ();", "DROP TABLE main.a;\nCOMMIT;")

    error = failure(scratch)

    assert error.where == f"{scratch.root}/migrations/main/0001_a.rollback.sql:2"
    assert scratch.tables() == set()


def test_a_migration_without_rollback_is_refused_unless_it_says_why(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a ();", None)

    error = failure(scratch)

    assert "has no rollback" in error.message
    assert "-- irreversible: why" in f"{error.hint}"

    scratch.migration("0001_a", "-- irreversible: it is the first\nCREATE TABLE main.a ();", None)
    scratch.migrate()

    assert scratch.tables() == {"a"}


def test_a_migration_that_may_change_roles_waits_for_whoever_changes_roles_in_another_database(scratch: Scratch) -> None:
    from dbkit.postgres.lock import CLUSTER, SPACE

    assert scratch.pool is not None
    scratch.migration("0001_a", "-- allow: roles\nCREATE TABLE main.a ();", "DROP TABLE main.a;")
    with psycopg.connect(scratch.pool.server.conninfo("postgres"), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", [SPACE, CLUSTER])
        run = scratch.start("migrate")
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dbkit/roles' AND wait_event_type = 'Lock'"
        until(lambda: scratch.value(waiting))
        assert scratch.tables() == set()
        other.execute("SELECT pg_advisory_unlock(%s, %s)", [SPACE, CLUSTER])
        assert run.wait(60) == 0

    assert scratch.tables() == {"a"}


def test_the_owner_can_not_do_what_needs_a_superuser(scratch: Scratch) -> None:
    scratch.migration("0001_a", "COPY (SELECT 1) TO '/tmp/x';")

    error = failure(scratch)

    assert error.sqlstate == "42501"
    assert "superuser is not a migration" in f"{error.hint}" or "pg_write_server_files" in f"{error.message}{error.hint}"


@pytest.mark.parametrize(
    "setting", ["search_path = evil, pg_catalog", "search_path = ''", "DateStyle = 'German'", "client_encoding = 'LATIN1'"]
)
def test_a_hostile_database_setting_moves_no_mark(scratch: Scratch, connection: Connection, setting: str) -> None:
    connection.execute("CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC")
    for name in ("now()", "clock_timestamp()"):
        connection.execute(f"CREATE FUNCTION evil.{name} RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil'; END $$".encode())
    connection.execute("CREATE TABLE evil._yoyo_migration (i integer); CREATE TABLE evil.journal (i integer)")
    connection.execute(f'ALTER DATABASE "{scratch.database_name("main")}" SET {setting}'.encode())
    scratch.migration("0001_a", "CREATE TABLE main.a AS SELECT 'größe' AS t;", "DROP TABLE main.a;")
    scratch.routine("f", "CREATE OR REPLACE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';")

    scratch.migrate()

    assert scratch.events() == [("applied", "0001_a"), ("deployed", "f")]
    assert scratch.column("SELECT migration_id FROM main._yoyo_migration") == ["0001_a"]
    assert scratch.value("SELECT octet_length(t) FROM main.a") == 7
    assert scratch.migrate().is_empty

    scratch.rollback()

    assert scratch.states() == {"0001_a": "pending"}
