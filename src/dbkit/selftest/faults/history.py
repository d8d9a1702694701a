"""The journal, rollbacks, what others left behind."""

from __future__ import annotations

from dbkit.postgres.queries import sql
from dbkit.selftest.fault import expect, expect_in, fault
from dbkit.selftest.trial import Trial

OLD_ROW = (
    "INSERT INTO dbkit.journal (run, event, kind, service, object, rendered, rollback, text_hash, checksum, os_user, host, pid,"
    " dbkit_version, environment, previous, hash)"
    " SELECT gen_random_uuid(), 'applied', 'migration', 'main', 'main/0001_a', rendered, rollback, text_hash,"
    " checksum, 'me', 'here', 1, '0', 'here', '', '' FROM pg_temp.old"
)


@fault(
    47,
    "the journal is of an older dbkit, of a newer one, or edited by hand",
    "it is brought up to date, refused, and the first forged row is named",
    forged=True,
)
def journals(trial: Trial) -> None:
    trial.table("0001_a")
    trial.run("migrate", code=0)
    with trial.connect("migrator") as connection:
        connection.execute(
            b"CREATE TEMPORARY TABLE old AS SELECT rendered, rollback, text_hash, checksum FROM dbkit.journal WHERE event = 'applied'"
        )
        connection.execute(b"DROP SCHEMA dbkit CASCADE")
        connection.execute(sql("journal_1").encode())
        connection.execute(OLD_ROW.encode())
    trial.table("0002_b")
    trial.run("migrate", code=0)
    expect(trial.states(), {"0001_a": "applied", "0002_b": "applied"}, "what status says after the journal was upgraded")
    trial.run("verify", "--journal", code=0)
    trial.value("INSERT INTO dbkit.version (version) VALUES (99)")
    trial.table("0003_c")
    for command in (("migrate",), ("status",), ("rollback", "main")):
        expect_in("version 99", trial.run(*command, code=1).text, "how a newer journal is refused")
    trial.value("DELETE FROM dbkit.version WHERE version = 99")
    row = trial.value("SELECT id FROM dbkit.journal WHERE object = 'main/0002_b' AND event = 'applied'")
    trial.value("ALTER TABLE dbkit.journal DISABLE TRIGGER ALL")
    trial.value("UPDATE dbkit.journal SET os_user = 'nobody' WHERE id = %s", row)
    expect_in(f"row {row} ", trial.run("verify", "--journal", code=1).text, "the row that is named")


@fault(
    48,
    "a rollback is missing, or fails half way",
    "refused before the first; one that fails undoes nothing of its migration, and can be run again",
)
def rollbacks(trial: Trial) -> None:
    trial.migration("0001_a", "CREATE TABLE main.a ();", None)
    trial.refused(where="0001_a.sql:1", says="has no rollback")
    trial.migration("0001_a", "-- irreversible: it was ever so\nCREATE TABLE main.a ();", None)
    trial.migration(
        "0002_b",
        "CREATE TABLE main.b ();\nCREATE TABLE main.c ();",
        "DROP TABLE main.c;\nSELECT 1 / (SELECT count(*) FROM main.b);\nDROP TABLE main.b;",
    )
    trial.table("0003_d")
    trial.run("migrate", code=0)
    trial.refused("rollback", "main", "--to", "0", where="main/0001_a", says="irreversible")
    failed = trial.run("rollback", "main", "--to", "0001", code=1)
    expect_in("division by zero", failed.text, "what is said")
    expect(trial.tables(), {"a", "b", "c"}, "tables after the second rollback failed")
    expect(trial.states(), {"0001_a": "applied", "0002_b": "applied", "0003_d": "pending"}, "what status says")
    trial.agree()
    trial.value("SET ROLE selftest_main_owner; ALTER TABLE main.b ADD i integer; INSERT INTO main.b VALUES (1)")
    trial.run("rollback", "main", "--to", "0001", code=0)
    expect(trial.tables(), {"a"}, "tables after it was run again")


@fault(
    51,
    "CREATE INDEX … IF NOT EXISTS over an invalid index of that name, or another",
    "an invalid one is built again, another one is refused",
)
def index_of_that_name(trial: Trial) -> None:
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'main.a_i_idx'::regclass"
    trial.migration("0001_a", "CREATE TABLE main.a (i integer);\nCREATE INDEX a_i_idx ON main.a (i);")
    trial.run("migrate", code=0)
    trial.value("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'main.a_i_idx'::regclass")
    trial.migration("0002_i", "-- transactional: false\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a_i_idx ON main.a (i);")
    trial.run("migrate", code=0)
    expect(trial.value(valid), True, "whether the index is valid")
    trial.migration("0003_i", "-- transactional: false\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a_i_idx ON main.a (i) WHERE i > 5;")
    expect_in("is there with another definition", trial.run("migrate", code=1).text, "what is said of another index")
    expect("0003_i" in trial.applied(), False, "whether it is marked")
