"""Where the faults happen: a throw-away server, or one that is empty."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError
from dbkit.postgres.connect import connect
from dbkit.postgres.queries import sql
from dbkit.postgres.throwaway import throwaway_server
from dbkit.project.manifest import ROLE_KINDS
from dbkit.selftest.fault import NotRunError

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.server import Server
    from dbkit.project.manifest import Environment

PROJECT = "selftest"
CANARY = "c4n4ry-p4ssw0rd"  # every URL has it, no output may


@dataclass
class Arena:
    """A server to break things on. `server` is ours, or None for one that was given; `said` is all that any run printed."""

    folder: Path
    superuser: str
    settings: Environment
    server: Server | None
    said: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _made: set[str] = field(default_factory=set)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def conninfo(self, database: str, role: str | None = None, **more: str) -> str:
        """Return a conninfo string, as the superuser or as a role of the trials, whose password is the canary."""
        from psycopg.conninfo import make_conninfo

        who = {"user": role, "password": CANARY} if role else {}
        return make_conninfo(self.superuser, dbname=database, **who, **more)

    def connect(self, database: str, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """Connect as the superuser, in autocommit mode."""
        import psycopg

        return psycopg.connect(self.conninfo(database), autocommit=True, application_name=PROJECT, **options)

    def new_name(self, stem: str) -> str:
        """Return a name for a database that nobody had yet."""
        with self.guard:
            name = f"{PROJECT}_{stem}_{next(self._numbers)}"
            self._made.add(name)
        return name

    def drop(self, database: str) -> None:
        with self.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'.encode())
        self._made.discard(database)

    def clean(self) -> None:
        """Take away the databases and roles that were made."""
        for database in sorted(self._made):
            self.drop(database)
        with self.connect("postgres") as connection:
            for (role,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'selftest\\_%'").fetchall():
                connection.execute(f'DROP ROLE "{role}"'.encode())

    def own(self) -> Server:
        """Return the server, where it is ours to stop and to copy."""
        if self.server is None:
            raise NotRunError("it stops servers or changes their settings: run it without --url")
        return self.server

    @contextmanager
    def another(self, **more: str) -> Iterator[Arena]:
        """Start a server for one fault alone, with settings of its own."""
        self.own()
        with throwaway_server(self.settings, **more) as server:
            yield Arena(self.folder, server.conninfo("postgres"), self.settings, server, self.said)


@contextmanager
def arena(settings: Environment, url: str | None) -> Iterator[Arena]:
    """Start a throw-away server of the environment's version, or take the one at `url`, which must be empty and obey us."""
    folder = Path(tempfile.mkdtemp(prefix="dbkit-selftest-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if url:
            _refuse_unsuited(url)
            given = Arena(folder, url, settings, None)
            stack.callback(given.clean)
            yield given
        else:
            server = stack.enter_context(throwaway_server(settings))
            yield Arena(folder, server.conninfo("postgres"), settings, server)


def _refuse_unsuited(url: str) -> None:
    """Raise where the server holds anything of anybody's, or where we may not do what the faults need."""
    with connect(url, PROJECT) as connection:
        row = connection.execute("SELECT rolsuper, rolname FROM pg_roles WHERE rolname = current_user").fetchone()
        roles = [f"{PROJECT}_main_{kind}" for kind in ROLE_KINDS]
        occupied = [row[0] for row in connection.execute(sql("occupied").encode(), {"roles": roles}).fetchall()]
    if row and not row[0]:
        raise ConfigurationError(
            f"{row[1]} is no superuser", hint="the faults make databases and roles, end sessions and forge the journal: name a superuser"
        )
    if occupied:
        raise ConfigurationError(
            f"the server is not empty: it has {', '.join(occupied[:5])}{' …' if len(occupied) > 5 else ''}",
            hint="things are broken here on purpose: give a server that nobody uses, or leave --url away",
        )
