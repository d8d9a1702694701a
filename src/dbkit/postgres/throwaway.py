"""Servers that live for the time of a test."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from dbkit.errors import DbkitError
from dbkit.postgres import server as pg
from dbkit.postgres.initialised import initialise_by_copy
from dbkit.postgres.programs import installed
from dbkit.project.manifest import Environment
from dbkit.project.state import ROOT_HOME, check_socket, server_account
from dbkit.project.throwaway import throwaway_folder

# nothing on such a server has to survive a crash
FAST = (
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("max_connections", "300"),
    ("max_prepared_transactions", "10"),
    ("max_wal_size", "4GB"),
)

EMBEDDED: tuple[Literal[16, 18], ...] = (16, 18)


def settings_for(major: int, settings: Environment) -> tuple[Environment, int]:
    """Return settings with the server program for a target of that major: the same one, else the next higher; and its major.

    The manifest's own comes first, then those of the system, then the embedded ones.
    Raises DbkitError where all that are there are older.
    """
    suited = [(version, chosen) for version, chosen in _programs(settings) if version >= major]
    if not suited:
        newest = max((version for version, _ in _programs(settings)), default=None)
        raise DbkitError(
            f"the target is PostgreSQL {major}, and the newest server program here is {newest or 'none at all'}",
            hint=f"install PostgreSQL {major}, or name its folder with `postgres_bin` in dbkit.toml",
        )
    version, chosen = min(suited, key=lambda pair: pair[0])
    return chosen, version


def settings_with(library: str, settings: Environment) -> tuple[Environment, int]:
    """Return settings with a server program that can load the library: of the same major, else the next higher, else the next lower.

    Raises DbkitError where none here can.
    """
    account = server_account()
    wanted = pg.find_binaries(settings.postgres, settings.postgres_bin, account).major
    suited = [
        (version, chosen)
        for version, chosen in _programs(settings)
        if pg.find_binaries(chosen.postgres, chosen.postgres_bin, account).has_library(library)
    ]
    if not suited:
        raise DbkitError(
            f"no server program here has {library}",
            hint=f"install it for PostgreSQL {wanted}; `postgres_bin` in dbkit.toml names a program",
        )
    version, chosen = min(suited, key=lambda pair: (pair[0] < wanted, abs(pair[0] - wanted)))
    return chosen, version


def _programs(settings: Environment) -> Iterator[tuple[int, Environment]]:
    """Yield each server program that runs here, with its major."""
    if settings.postgres_bin:
        yield pg.major_of(Path(settings.postgres_bin)), settings
    for major, path in installed("postgres"):
        yield major, replace(settings, postgres_bin=str(path.parent))
    if importlib.util.find_spec(pg.WHEEL):
        for embedded in EMBEDDED:
            yield embedded, replace(settings, postgres_bin=None, postgres=embedded)


@contextmanager
def standby_of(primary: pg.Server, name: str) -> Iterator[pg.Server]:
    """Copy a running server into the folder `name` beside its data, and start the copy, which follows it; remove it afterwards."""
    data = primary.data.with_name(name)
    copy = pg.Server(primary.binaries, data, primary.sockets.with_name(f"{name}-s"), primary.account, primary.settings)
    program, source = primary.binaries.program("pg_basebackup"), primary.conninfo("postgres")
    done = primary.account.run([program, "-d", source, "-D", str(data), "-c", "fast", "-X", "stream", "-R"])
    if done.returncode:
        raise DbkitError(f"pg_basebackup failed: {done.stderr.strip()}")
    pg.start(copy)
    try:
        yield copy
    finally:
        pg.stop(copy, "immediate")
        shutil.rmtree(data, ignore_errors=True)


@contextmanager
def throwaway_server(settings: Environment, **more: str) -> Iterator[pg.Server]:
    """Start a server of the environment's version in a folder of its own; remove both afterwards. `more` are settings of the server."""
    account = server_account()
    binaries = pg.find_binaries(settings.postgres, settings.postgres_bin, account)

    def server_in(home: Path) -> pg.Server:
        return pg.Server(binaries, home / "data", home / "s", account, (*FAST, *more.items()))

    base = ROOT_HOME / "tmp" if account.name else Path(tempfile.gettempdir())
    with throwaway_folder(base, "dbkit-pg-", account, lambda home: pg.stop(server_in(home), "immediate")) as home:
        server = server_in(home)
        check_socket(server.sockets / ".s.PGSQL.5432")
        initialise_by_copy(server)
        pg.start(server)
        yield server
