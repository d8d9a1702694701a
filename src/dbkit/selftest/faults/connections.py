"""Connections that are cut, servers that change places, servers where nothing may be written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from dbkit.postgres import server as pg
from dbkit.postgres.throwaway import standby_of
from dbkit.selftest import gate
from dbkit.selftest.arena import PROJECT, Arena
from dbkit.selftest.fault import expect, expect_in, fault
from dbkit.selftest.trial import SERVICE, Trial, until
from dbkit.selftest.trial import trial as another_trial
from dbkit.selftest.wire import wire

MIGRATOR = f"{PROJECT}_{SERVICE}_migrator"
HOLDER = (
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 1684171636 AND objid = 1 AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@contextmanager
def standby(arena: Arena, stem: str) -> Iterator[Arena]:
    """Copy the server; the copy follows it."""
    with standby_of(arena.own(), stem) as copy:
        yield Arena(arena.folder, copy.conninfo("postgres"), arena.settings, copy, arena.said)


@fault(
    12,
    "the connection is cut in the middle, at the COMMIT, and by a failover",
    "the journal is asked what got through; nothing is lost, nothing done twice",
)
def cut(trial: Trial) -> None:
    with ExitStack() as stack:
        arena = stack.enter_context(trial.arena.another(max_wal_senders="4", wal_level="replica"))
        here = stack.enter_context(another_trial(arena, "cut"))
        _ended_by_the_server(here)
        _cut_at_the_commit(here, arena)
        _failover(here, arena)


def _ended_by_the_server(trial: Trial) -> None:
    trial.migration("0001_a", f"CREATE TABLE main.a ();\n{gate.HERE}")
    with trial.gate() as gated:
        child = trial.start("migrate")
        backend = until(gated.waiting, "the migration is in its middle")
        trial.value("SELECT pg_terminate_backend(%s, 10000)", backend)
        until(lambda: gated.waiting() not in {None, backend}, "it is tried again on a new connection")
    expect_in("attempt 2", trial.ended(child, code=0).text, "what the run says")
    expect(trial.applied(), ["0001_a"], "what was applied")


def _cut_at_the_commit(trial: Trial, arena: Arena) -> None:
    """Cut before the server hears of the COMMIT, then after it did and before the client hears of its end."""
    for number, when in ((2, "cut_before"), (3, "cut_after")):
        with wire(arena.own()) as cable:
            trial.manifest(url=arena.conninfo(trial.database, MIGRATOR, host="127.0.0.1", port=str(cable.port)))
            trial.table(f"000{number}_t{number}")
            trial.run("migrate", "--check", code=1)
            setattr(cable, when, f"000{number}_t{number}".encode())  # its mark, which goes out at once with the COMMIT
            cable.cuts = 0
            trial.run("migrate", code=0)
            expect(cable.cuts, 1, "how often the wire was cut")
    expect(trial.applied(), ["0001_a", "0002_t2", "0003_t3"], "what was applied")
    expect(trial.tables(), {"a", "t2", "t3"}, "tables")


def _failover(trial: Trial, arena: Arena) -> None:
    """Stop the primary in the middle of a migration, promote the standby, and run again with the same URL."""
    primary = arena.own()
    with standby(arena, "follower") as follower:
        copy = follower.own()
        hosts = f"{primary.sockets},{copy.sockets}"
        trial.manifest(url=arena.conninfo(trial.database, MIGRATOR, host=hosts, port="5432,5432", target_session_attrs="read-write"))
        trial.table("0004_d")
        trial.migration("0005_e", f"CREATE TABLE main.e ();\n{gate.HERE}")
        with trial.gate() as gated:
            child = trial.start("migrate")
            until(gated.waiting, "the migration is in its middle")
            position = trial.value("SELECT pg_current_wal_lsn()")
            with follower.connect("postgres") as replica:
                until(
                    lambda: (replica.execute("SELECT pg_last_wal_replay_lsn() >= %s", [position]).fetchone() or [False])[0],
                    "the standby has caught up",
                )
            pg.stop(primary, "immediate")
            gated.keeper.close()
        copy.account.run([copy.binaries.program("pg_ctl"), "promote", "-w", "-s", "-D", str(copy.data)])
        failed = trial.ended(child)
        expect(failed.code in {1, 3}, True, f"a clear end of the run whose server is gone ({failed.code}: {failed.text.strip()[-200:]})")
        _on_the_new_primary(trial, follower)
    pg.start(primary)  # to be tidied away


def _on_the_new_primary(trial: Trial, follower: Arena) -> None:
    before, trial.arena = trial.arena, follower
    try:
        expect("e" in trial.tables(), False, "the half of a migration on the new primary")
        trial.run("migrate", code=0)
        expect(trial.applied(), ["0001_a", "0002_t2", "0003_t3", "0004_d", "0005_e"], "what was applied, on the new primary")
        trial.agree()
    finally:
        trial.arena = before


@fault(
    13,
    "the connection with the run lock is ended; idle_session_timeout is set",
    "no mark is written without the lock; the setting does not apply",
)
def lock_lost(trial: Trial) -> None:
    trial.value(f"ALTER DATABASE \"{trial.database}\" SET idle_session_timeout = '300ms'")
    trial.migration("0001_a", "CREATE TABLE main.a ();\nSELECT pg_sleep(1);")
    trial.run("migrate", code=0)
    trial.value(f'ALTER DATABASE "{trial.database}" RESET idle_session_timeout')
    trial.migration("0002_b", f"CREATE TABLE main.b ();\n{gate.HERE}")
    trial.table("0003_c")
    with trial.gate() as gated:
        child = trial.start("migrate")
        until(gated.waiting, "the migration is in its middle")
        trial.value("SELECT pg_terminate_backend(%s, 10000)", trial.value(HOLDER))
    trial.ended(child, code=1)
    trial.agree()
    expect("c" in trial.tables(), False, "a migration that began after the lock was lost")
    trial.run("migrate", code=0)
    expect(trial.tables(), {"a", "b", "c"}, "tables after the next run")
    expect(trial.applied(), ["0001_a", "0002_b", "0003_c"], "what was applied")


@fault(
    14,
    "the URL names a standby, or a database that is read-only",
    "status and --check work; migrate and rollback refuse at once and say why",
)
def nothing_can_be_written(trial: Trial) -> None:
    with ExitStack() as stack:
        arena = stack.enter_context(trial.arena.another(max_wal_senders="4", wal_level="replica"))
        here = stack.enter_context(another_trial(arena, "read"))
        here.table("0001_a")
        here.run("migrate", code=0)
        here.table("0002_b")
        follower = stack.enter_context(standby(arena, "reader"))
        here.manifest(url=follower.conninfo(here.database, MIGRATOR))
        until(lambda: here.states() == {"0001_a": "applied", "0002_b": "pending"}, "the standby's status is the primary's")
        here.run("migrate", "--check", code=1)
        for command in (("migrate",), ("rollback", SERVICE)):
            expect_in("standby", here.run(*command, code=1).text, "why it is refused")
        here.manifest()
        here.value(f'ALTER DATABASE "{here.database}" SET default_transaction_read_only = on')
        expect(here.states(), {"0001_a": "applied", "0002_b": "pending"}, "the status of a read-only database")
        expect_in("default_transaction_read_only", here.run("migrate", code=1).text, "why it is refused")
