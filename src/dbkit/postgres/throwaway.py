"""Servers that live for the time of a test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from dbkit.errors import DbkitError
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


def settings_for(major: int, settings: Environment) -> tuple[Environment, int]:
    """Return settings with the server program for a target of that major: the same one, else the next higher; and its major.

    The manifest's own comes first, then those of the system, then the embedded ones.
    Raises DbkitError where all that are there are older.
    """
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres")) + sorted(
        Path("/opt/homebrew/opt").glob("postgresql@*/bin/postgres")
    )
    on_path = shutil.which("postgres")
    folders = [settings.postgres_bin, *(str(path.parent) for path in installed), *([str(Path(on_path).parent)] if on_path else [])]
    found = [(pg.major_of(Path(folder)), replace(settings, postgres_bin=folder)) for folder in folders if folder]
    found += [(16, replace(settings, postgres_bin=None, postgres=16)), (18, replace(settings, postgres_bin=None, postgres=18))]
    suited = [(version, chosen) for version, chosen in found if version >= major]
    if not suited:
        raise DbkitError(
            f"the target is PostgreSQL {major}, and the newest server program here is {max(version for version, _ in found)}",
            hint=f"install PostgreSQL {major}, or name its folder with `postgres_bin` in dbkit.toml",
        )
    version, chosen = min(suited, key=lambda pair: pair[0])
    return chosen, version


@contextmanager
def throwaway_server(settings: Environment, **more: str) -> Iterator[pg.Server]:
    """Start a server of the environment's version in a folder of its own; remove both afterwards. `more` are settings of the server."""
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
        settings=(*FAST, *more.items()),
    )
    check_socket(server.sockets / ".s.PGSQL.5432")
    try:
        pg.start(server)
        yield server
    finally:
        pg.stop(server, "immediate")
        shutil.rmtree(home, ignore_errors=True)
