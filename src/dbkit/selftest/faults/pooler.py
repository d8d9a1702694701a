"""Through PgBouncer in transaction mode."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from dbkit.selftest.arena import PROJECT
from dbkit.selftest.fault import NotRunError, expect, expect_in, fault
from dbkit.selftest.trial import SERVICE, Trial, until

SETTINGS = """
[databases]
{database} = host={sockets} dbname={database} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
"""
SETTINGS_SEEN = "SELECT current_setting('search_path'), current_user::text, current_setting('statement_timeout')"


@contextmanager
def bouncer(trial: Trial) -> Iterator[int]:
    """Start PgBouncer before the trial's database; yield its port."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    server = trial.arena.own()
    if not os.access(program, os.X_OK):
        raise NotRunError("pgbouncer is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = server.data.parent / f"bouncer-{port}.ini"
    user = f"{PROJECT}_{SERVICE}_migrator"
    settings.write_text(SETTINGS.format(database=trial.database, sockets=server.sockets, port=port, user=user), encoding="utf-8")
    os.chown(settings, server.account.uid, server.account.gid)
    who = ["-u", server.account.name] if server.account.name else []
    child = subprocess.Popen([program, "-q", *who, str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _listens(port), "pgbouncer listens", seconds=10)
        yield port
    finally:
        child.terminate()
        child.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@fault(
    11,
    "the URL leads through PgBouncer in transaction mode",
    "it is found, a lease stands in for the lock, nothing is left set for the next client",
)
def through_a_pooler(trial: Trial) -> None:
    import psycopg

    with bouncer(trial) as port:
        url = trial.arena.conninfo(trial.database, f"{PROJECT}_{SERVICE}_migrator", host="127.0.0.1", port=str(port))
        trial.manifest(url=url)
        trial.migration("0001_a", "SET search_path = nowhere;\nSET statement_timeout = '9s';\nCREATE TABLE main.a (i integer);")
        trial.table("0002_b")
        for child in [trial.start("migrate") for _ in range(3)]:
            trial.ended(child, code=0)
        expect(trial.applied(), ["0001_a", "0002_b"], "what three runs at once applied")
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as other:
            seen = {other.execute(SETTINGS_SEEN).fetchone() for _ in range(8)}
        expect(seen, {('"$user", public', f"{PROJECT}_{SERVICE}_migrator", "0")}, "what other clients of the pooler see")
        owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'main'::regnamespace"
        expect(trial.column(owners), [f"{PROJECT}_{SERVICE}_owner"], "who owns what was made through it")
        trial.migration("0003_i", "-- transactional: false\nCREATE INDEX CONCURRENTLY a_i_idx ON main.a (i);")
        refused = trial.refused(where="0003_i.sql:1", says="migrate_url")
        expect_in("a pooler stands between", refused.text, "why it is refused")
