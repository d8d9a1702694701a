"""What scripts, settings and hostile objects do to a session."""

from __future__ import annotations

from dbkit.selftest.arena import PROJECT
from dbkit.selftest.fault import expect, expect_in, fault
from dbkit.selftest.trial import SERVICE, Trial

OWNER, MIGRATOR = (f"{PROJECT}_{SERVICE}_{kind}" for kind in ("owner", "migrator"))


@fault(
    35,
    "search_path of the database, of a pg_dump baseline, and an evil now()",
    "the journal is written qualified; nothing is applied twice, and nobody else's now() is called",
)
def search_path(trial: Trial) -> None:
    trial.value(
        "CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;"
        " CREATE TABLE evil.journal (i integer); CREATE TABLE evil._yoyo_migration (i integer);"
        " CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil'; END $$;"
        " CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil'; END $$"
    )
    trial.table("0001_a")
    trial.run("migrate", code=0)
    for path in ("evil, pg_catalog", "''"):
        trial.value(f'ALTER DATABASE "{trial.database}" SET search_path = {path}')
        expect_in("up to date", trial.run("migrate", code=0).text, f"a run under search_path = {path}")
        expect(trial.states()["0001_a"], "applied", "what status says")
        trial.table(f"000{1 + len(trial.applied())}_t{len(path)}")
        trial.run("migrate", code=0)
    trial.value(f'ALTER DATABASE "{trial.database}" SET search_path = evil, pg_catalog')
    trial.migration("0004_d", "SELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE main.d AS SELECT 1 AS i;\n")
    trial.migration("0005_e", "CREATE TABLE main.e AS SELECT current_setting('search_path') AS path;\n")
    trial.run("migrate", code=0)
    expect(trial.value("SELECT path FROM main.e"), "evil, pg_catalog", "search_path in the migration after the baseline")
    expect(len(trial.applied()), 5, "migrations that were applied")
    expect(
        trial.column("SELECT nspname FROM pg_namespace WHERE nspname IN ('public', 'evil', 'dbkit', 'main') ORDER BY 1"),
        ["dbkit", "evil", "main", "public"],
        "schemas",
    )


TRICKS = (
    "SELECT set_config('role', 'none', false)",
    "RESET ALL",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "SET default_transaction_read_only = on",
    "SET client_encoding = 'LATIN1'",
    "SET DateStyle = 'German'",
    "SELECT pg_advisory_unlock_all()",
    "CREATE TEMPORARY TABLE journal (i integer); CREATE TEMPORARY TABLE _yoyo_migration (i integer)",
    "PREPARE p AS SELECT 1; DECLARE c CURSOR WITH HOLD FOR SELECT 1; LISTEN x",
)


@fault(
    36,
    "SET ROLE, SET SESSION, advisory_unlock_all, temporary tables in migrations",
    "neither the mark nor the next migration sees any of it; DISCARD ALL and another role are refused",
)
def session_tricks(trial: Trial) -> None:
    for number, trick in enumerate(TRICKS, 1):
        trial.migration(f"{number:04}_trick", f"{trick};\n")
        trial.migration(
            f"{number + 100:04}_after", f"-- depends: {number:04}_trick\nCREATE TABLE main.t{number} AS SELECT {SEEN} AS seen;\n"
        )
    trial.run("migrate", code=0)
    wanted = f'"$user", public|{OWNER}|{MIGRATOR}|ISO, MDY|UTF8|off|größe|2'
    for number, trick in enumerate(TRICKS, 1):
        expect(trial.value(f"SELECT seen FROM main.t{number}"), wanted, f"what is left of {trick}")
    expect(len(trial.applied()), 2 * len(TRICKS), "migrations that were applied")
    for trick in ("DISCARD ALL", "SET ROLE NONE", "SET SESSION AUTHORIZATION postgres"):
        trial.migration("0200_x", f"CREATE TABLE main.x ();\n{trick};\n")
        failed = trial.run("migrate")
        expect(failed.code in {1, 2}, True, f"the exit code after {trick}")
        expect_in("0200_x.sql:2", failed.text, f"where {trick} is refused")
        expect("x" in trial.tables(), False, f"the table beside {trick}")


SEEN = (
    "concat_ws('|', current_setting('search_path'), current_user, session_user, current_setting('DateStyle'),"
    " current_setting('client_encoding'), current_setting('transaction_read_only'), 'größe', (SELECT count(*) FROM pg_locks"
    " WHERE locktype = 'advisory' AND classid = 1684171636"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())))"
)


@fault(
    37,
    "a deferred constraint fails at the end of a migration",
    "it is this migration's failure, by name; nothing is recorded, the next is not begun",
)
def deferred(trial: Trial) -> None:
    trial.migration(
        "0001_a",
        "CREATE TABLE main.a (i integer CONSTRAINT a_key UNIQUE DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO main.a VALUES (1), (1);\n",
    )
    trial.table("0002_b")
    failed = trial.run("migrate", code=1)
    for part in ("main/0001_a", "a_key", "SQLSTATE 23505"):
        expect_in(part, failed.text, "what is said")
    expect((trial.tables(), trial.applied()), (set(), []), "tables and marks")
    trial.migration("0001_a", "CREATE TABLE main.a (i integer);")
    trial.run("migrate", code=0)
