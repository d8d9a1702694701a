"""Behind PgBouncer in transaction mode: found before work, nothing set for a session, a fenced lease for a lock."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from dbkit.errors import ConfigurationError, DbkitError, LockedError
from dbkit.postgres.connect import open_watcher
from dbkit.project.state import server_account
from scratch import Scratch, until

SETTINGS = """
[databases]
{database} = host={sockets} dbname={database} user=scratch_main_migrator
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
"""


@pytest.fixture
def pooled(scratch: Scratch) -> Iterator[Scratch]:
    """The scratch project, whose environment `here` goes through PgBouncer."""
    assert scratch.pool
    server, account = scratch.pool.server, server_account()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = server.data.parent / f"bouncer-{port}.ini"
    settings.write_text(SETTINGS.format(database=scratch.database_name("main"), sockets=server.sockets, port=port))
    os.chown(settings, account.uid, account.gid)
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    child = subprocess.Popen(
        [program, "-q", *(["-u", account.name] if account.name else []), str(settings)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: _listens(port))
        scratch.describe(environment=f'url = "postgresql://scratch_main_migrator@127.0.0.1:{port}/{{database}}"')
        yield scratch
    finally:
        child.terminate()
        child.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


OWNERS = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'main'::regnamespace"


def test_a_pooler_is_found_before_work(pooled: Scratch) -> None:
    connection, is_pooled = open_watcher(pooled.database(), "test")
    connection.close()

    assert is_pooled


def test_migrations_routines_and_rollbacks_go_through_as_the_owner(pooled: Scratch) -> None:
    pooled.migration("0001_a", "SET search_path = nowhere;\nCREATE TABLE main.a (i integer);", "DROP TABLE main.a;")
    pooled.migration(
        "0002_b", "CREATE TEMPORARY TABLE left_over ();\nCREATE TABLE main.b ();\nSELECT pg_advisory_lock(99);", "DROP TABLE main.b;"
    )
    pooled.routine("v", "CREATE OR REPLACE VIEW main.v AS SELECT i FROM main.a;")

    pooled.migrate()

    assert pooled.tables() == {"a", "b", "v"}
    assert pooled.column(OWNERS) == ["scratch_main_owner"]
    assert pooled.states() == {"0001_a": "applied", "0002_b": "applied"}
    with pooled.database().connect("other") as other:  # the same server connections serve other clients
        for _ in range(6):
            assert other.execute("SELECT current_setting('search_path'), current_user").fetchone() == (
                '"$user", public',
                "scratch_main_migrator",
            )
    assert pooled.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 99") == 0

    pooled.rollback(to="0")

    assert pooled.tables() == set()
    assert pooled.migrate().migrations


def test_what_needs_a_session_is_refused_with_the_way_past(pooled: Scratch) -> None:
    pooled.migration("0001_a", "CREATE TABLE main.a (i integer);")
    pooled.migration("0002_i", "-- transactional: false\nCREATE INDEX CONCURRENTLY a_i_idx ON main.a (i);")

    with pytest.raises(ConfigurationError) as caught:
        pooled.migrate()

    assert "migrate_url" in (caught.value.hint or "")
    assert pooled.tables() == set()

    pooled.migration("0002_i", "-- allow: roles\nCREATE ROLE scratch_more;")
    with pytest.raises(ConfigurationError, match="needs a session of its own"):
        pooled.migrate()


def test_two_runs_through_it_do_each_migration_once(pooled: Scratch) -> None:
    for number in range(6):
        pooled.migration(f"{number:04}_t{number}", f"CREATE TABLE main.t{number} ();\nSELECT pg_sleep(0.1);")
    errors: list[BaseException] = []

    def run() -> None:
        try:
            pooled.migrate(lock_wait=60)
        except BaseException as exc:  # noqa: BLE001 the test looks at it
            errors.append(exc)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert len([name for event, name in pooled.events() if event == "applied"]) == 6


def test_a_run_through_it_and_one_past_it_exclude_each_other(pooled: Scratch) -> None:
    pooled.migration("0001_a", "CREATE TABLE main.a ();")
    pooled.migrate()
    through = (pooled.root / "dbkit.toml").read_text()
    pooled.migration("0002_b", "CREATE TABLE main.b ();\nSELECT pg_sleep(3);")
    child = pooled.start("migrate")
    until(lambda: pooled.column("SELECT 1 FROM dbkit.lease WHERE expires_at > clock_timestamp()"))

    pooled.describe()  # past the pooler
    with pytest.raises(LockedError, match="through a pooler"):
        pooled.migrate(lock_wait=0.5)

    child.communicate(timeout=60)
    assert pooled.states()["0002_b"] == "applied"

    pooled.migration("0003_c", "CREATE TABLE main.c ();\nSELECT pg_sleep(3);")
    child = pooled.start("migrate")
    until(lambda: pooled.column("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(3)%%' AND pid <> pg_backend_pid()"))
    pooled.write("dbkit.toml", through)
    with pytest.raises(LockedError):
        pooled.migrate(lock_wait=0.5)
    child.communicate(timeout=60)
    assert pooled.states()["0003_c"] == "applied"


def test_a_run_past_it_keeps_its_first_key_when_its_script_gives_all_away(pooled: Scratch) -> None:
    pooled.migration("0001_a", "CREATE TABLE main.a ();")
    pooled.migrate()
    through = (pooled.root / "dbkit.toml").read_text()
    pooled.describe()  # past the pooler
    pooled.migration("0002_b", "SELECT pg_advisory_unlock_all();\nSELECT pg_sleep(3);\nCREATE TABLE main.b ();")
    child = pooled.start("migrate")
    until(lambda: pooled.column("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
    pooled.write("dbkit.toml", through)

    with pytest.raises(LockedError):
        pooled.migrate(lock_wait=0.5)

    assert child.wait(60) == 0
    assert pooled.states()["0002_b"] == "applied"


def test_victims_are_counted_and_blockers_named_through_it(pooled: Scratch) -> None:
    pooled.migration("0001_a", "CREATE TABLE main.a (i integer);")
    pooled.migrate()
    manifest = pooled.root / "dbkit.toml"
    manifest.write_text(manifest.read_text() + '[migrate]\nretries = 0\nmax_victims = 1\nlock_timeout = "1s"\n')
    pooled.migration("0002_b", "ALTER TABLE main.a ADD j integer;")
    with pooled.connect(application_name="reporting") as other, other.transaction():
        pid = other.info.backend_pid
        other.execute("LOCK TABLE main.a IN ACCESS SHARE MODE")
        with pytest.raises(DbkitError) as caught:
            pooled.migrate()

    assert caught.value.sqlstate == "55P03"
    assert f"in the way: pid {pid} (reporting" in caught.value.message

    pooled.migration("0002_b", "LOCK TABLE main.a;\nSELECT pg_sleep(20);")
    child = pooled.start("migrate")
    until(lambda: pooled.column("SELECT 1 FROM pg_locks WHERE relation = 'main.a'::regclass AND granted"))
    started = time.monotonic()
    pooled.value("SELECT count(*) FROM main.a")

    assert time.monotonic() - started < 10
    assert "1 session waited behind it" in child.communicate(timeout=30)[1]


def test_after_kill_9_the_lease_runs_out_and_whoever_lost_it_commits_nothing(pooled: Scratch) -> None:
    pooled.migration("0001_a", "CREATE TABLE main.a ();")
    pooled.migrate()
    pooled.migration("0002_b", "CREATE TABLE main.b ();")
    pooled.value("UPDATE dbkit.lease SET expires_at = clock_timestamp() + interval '2 seconds', token = token + 1")

    started = time.monotonic()
    pooled.migrate(lock_wait=30)

    assert time.monotonic() - started > 1
    assert pooled.states()["0002_b"] == "applied"
