"""Servers that live for the time of a test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbkit.postgres import server as pg
from dbkit.project.manifest import Environment
from dbkit.project.state import ROOT_HOME, check_socket, server_account

# nothing on such a server has to survive a crash
FAST = (
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("max_connections", "300"),
    ("max_prepared_transactions", "10"),
    ("max_wal_size", "4GB"),
)


@contextmanager
def throwaway_server(settings: Environment) -> Iterator[pg.Server]:
    """Start a server of the environment's version in a folder of its own; remove both afterwards."""
    account = server_account()
    if account.name:
        home = ROOT_HOME / "tmp" / f"{os.getpid()}-{os.urandom(4).hex()}"
        home.parent.mkdir(parents=True, exist_ok=True)
    else:
        home = Path(tempfile.mkdtemp(prefix="dbkit-"))
    account.own(home)
    server = pg.Server(
        binaries=pg.find_binaries(settings.postgres, settings.postgres_bin, account),
        data=home / "data",
        sockets=home / "s",
        account=account,
        settings=FAST,
    )
    check_socket(server.sockets / ".s.PGSQL.5432")
    try:
        pg.start(server)
        yield server
    finally:
        pg.stop(server, "immediate")
        shutil.rmtree(home, ignore_errors=True)
