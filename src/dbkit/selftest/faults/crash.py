"""Killed with SIGKILL or SIGTERM, in the middle of whatever."""

from __future__ import annotations

import signal
import time

from dbkit.selftest import gate
from dbkit.selftest.fault import NotSurvivedError, expect, expect_in, fault
from dbkit.selftest.trial import Trial, until

PROMPT = 5.0  # seconds until the next run has gone through


@fault(1, "kill -9 in the middle of a transactional migration", "nothing of it is in; the next run needs no help and no waiting")
def in_a_transaction(trial: Trial) -> None:
    trial.table("0001_a")
    trial.migration("0002_b", f"CREATE TABLE main.b AS SELECT generate_series(1, 1000) AS i;\n{gate.HERE}CREATE TABLE main.c ();\n")
    with trial.gate() as gated:
        child = trial.start("migrate")
        until(gated.waiting, "the migration is in its middle")
        trial.kill(child)
        killed = time.monotonic()
        trial.no_session()
        freed = time.monotonic() - killed
        expect(trial.tables(), {"a"}, "tables after the kill")
    again = time.monotonic()
    trial.run("migrate", code=0)
    took = freed + time.monotonic() - again
    expect(trial.tables(), {"a", "b", "c"}, "tables after the next run")
    expect(trial.applied(), ["0001_a", "0002_b"], "what was applied")
    if took > PROMPT:
        raise NotSurvivedError(f"the next run was through {took:.1f} s after the kill")


@fault(2, "SIGTERM and SIGINT in the middle of a statement", "the statement is cancelled, the journal says interrupted, exit 143 and 130")
def terminated(trial: Trial) -> None:
    trial.table("0001_a")
    trial.migration("0002_b", f"CREATE TABLE main.b ();\n{gate.HERE}")
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        with trial.gate() as gated:
            child = trial.start("migrate")
            until(gated.waiting, "the migration is in its middle")
            child.send_signal(number)
            trial.ended(child, code=code)
            until(lambda: not trial.sessions(), "no session is left", seconds=5.0)
        expect(trial.journal("0002_b")[-1], ("interrupted", None), "the journal's last word")
        expect(trial.states()["0002_b"], "interrupted", "what status says")
        expect(trial.tables(), {"a"}, "tables after the signal")
    trial.run("migrate", code=0)
    expect(trial.tables(), {"a", "b"}, "tables after the next run")


@fault(3, "kill -9 between a change and its mark, and in their COMMIT", "both are in or neither is: they are one transaction")
def between_change_and_mark(trial: Trial) -> None:
    trial.table("0001_a")
    trial.run("migrate", code=0)
    for number, at_commit in ((2, False), (3, True)):
        stem = f"000{number}_t{number}"
        trial.table(stem)
        with trial.gate() as gated:
            gated.at_journal("applied", commit=at_commit)
            child = trial.start("migrate")
            until(gated.waiting, "the mark is being written")
            trial.kill(child)
            trial.no_session()
            gated.off_journal()
        expect((f"t{number}" in trial.tables(), stem in trial.applied()), (False, False), f"change and mark of {stem}")
        trial.run("migrate", code=0)
    expect(trial.applied(), ["0001_a", "0002_t2", "0003_t3"], "what was applied")
    marks = (
        "SELECT xmin::text FROM pg_class WHERE oid = 'main.t3'::regclass"
        " UNION SELECT xmin::text FROM main._yoyo_migration WHERE migration_id = '0003_t3'"
        " UNION SELECT xmin::text FROM dbkit.journal WHERE object = 'main/0003_t3'"
    )
    expect(len(trial.column(marks)), 1, "transactions in which change and marks are")


INDEX = """
-- transactional: false
CREATE INDEX CONCURRENTLY a_i_idx ON main.a (i);
CREATE UNIQUE INDEX CONCURRENTLY a_i_key ON main.a (i) WHERE i > 5;
"""
VALID = "SELECT indexrelid::regclass::text || ' ' || indisvalid FROM pg_index WHERE indrelid = 'main.a'::regclass ORDER BY 1"


@fault(4, "kill -9 in CREATE INDEX CONCURRENTLY", "the invalid index that it leaves is dropped and built again by the next run")
def in_a_concurrent_build(trial: Trial) -> None:
    trial.migration("0001_a", "CREATE TABLE main.a (i integer);\nINSERT INTO main.a SELECT generate_series(1, 100);")
    trial.run("migrate", code=0)
    trial.migration("0002_i", INDEX)
    with trial.connect() as writer:  # the build waits for it
        writer.execute("BEGIN; INSERT INTO main.a VALUES (1000)")
        child = trial.start("migrate")
        until(lambda: trial.column(VALID) == ["main.a_i_idx false"], "the index is being built")
        trial.kill(child)
        trial.no_session()
        expect(trial.column(VALID), ["main.a_i_idx false"], "the index after the kill")
        writer.execute("COMMIT")
    outcome = trial.run("migrate", code=0)
    expect_in("the invalid index main.a_i_idx was dropped", outcome.text, "what the next run says")
    expect(trial.column(VALID), ["main.a_i_idx true", "main.a_i_key true"], "the indexes after the next run")
    ends = [row for row in trial.journal("0002_i") if row[0] in {"done", "applied"}]
    expect(ends, [("done", 1), ("done", 2), ("applied", 2)], "the ends in the journal")


STEPS = """
-- transactional: false
CREATE INDEX CONCURRENTLY a_i_idx ON main.a (i);
INSERT INTO main.ran VALUES (2);
DROP INDEX CONCURRENTLY main.a_old_idx;
"""


@fault(
    5,
    "kill -9 at each of the journal's writes of a migration without a transaction",
    "each next run goes on at the statement; none is run twice",
)
def between_statements(trial: Trial) -> None:
    trial.migration(
        "0001_a",
        "CREATE TABLE main.a (i integer);\nCREATE INDEX a_old_idx ON main.a (i);\nCREATE TABLE main.ran (statement integer);\n",
    )
    trial.run("migrate", code=0)
    trial.migration("0002_i", STEPS)
    writes = [("started", None), ("intended", 1), ("done", 1), ("done", 2), ("intended", 3), ("done", 3), ("applied", None)]
    index = None
    for event, statement in writes:
        with trial.gate() as gated:
            gated.at_journal(event, statement)
            child = trial.start("migrate")
            until(lambda gated=gated: gated.waiting(), f"the run writes {event} {statement or ''}")  # type: ignore[misc]
            trial.kill(child)
            trial.no_session()
            gated.off_journal()
        found = trial.value("SELECT to_regclass('main.a_i_idx')::oid")
        if index and found != index:
            raise NotSurvivedError(f"the index that was there when the run died at {event} {statement} was built again")
        index = found
    trial.run("migrate", code=0)
    expect(trial.column("SELECT statement FROM main.ran"), [2], "how often the INSERT was run")
    expect(trial.column(VALID), ["main.a_i_idx true"], "the indexes at the end")
    ends = [row for row in trial.journal("0002_i") if row[0] in {"done", "applied"}]
    expect(ends, [("done", 1), ("done", 2), ("done", 3), ("applied", 3)], "the ends in the journal")


@fault(
    6,
    "a statement fails in a migration without a transaction, and the file is mended",
    "what is done may not be edited, the rest may; the run goes on there",
)
def mended_in_the_middle(trial: Trial) -> None:
    head = "-- transactional: false\nCREATE TABLE main.a (i integer);\n"
    trial.migration("0001_a", f"{head}CREATE INDEX CONCURRENTLY a_i_idx ON main.nowhere (i);\n")
    failed = trial.run("migrate", code=1)
    expect_in("0001_a.sql:3", failed.text, "where it failed")
    trial.migration("0001_a", f"{head.replace('integer', 'bigint')}CREATE INDEX CONCURRENTLY a_i_idx ON main.a (i);\n")
    trial.refused(where="0001_a.sql:2", says="statement 1 was run already")
    trial.migration("0001_a", f"{head}CREATE INDEX CONCURRENTLY a_i_idx ON main.a (i);\n")
    trial.run("migrate", code=0)
    expect(trial.column(VALID), ["main.a_i_idx true"], "the index after the file was mended")
    expect(trial.applied(), ["0001_a"], "what was applied")
