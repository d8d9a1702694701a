"""Small projects for tests: files in a folder, real databases, real processes."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from unittest.mock import patch

import dbkit
from dbkit.project.manifest import Project, find_project
from dbkit.testing.plugin import server_settings

if TYPE_CHECKING:
    import psycopg

    from dbkit.migrate.engine import Event
    from dbkit.migrate.plan import Plan
    from dbkit.migrate.rollback import Undo
    from dbkit.migrate.status import ServiceStatus
    from dbkit.postgres.connect import Database
    from dbkit.postgres.server import Server
    from dbkit.routines.decide import Decision

T = TypeVar("T")
SOURCES = Path(dbkit.__file__).parents[1]
PATIENCE = 60.0


def until(what: Callable[[], T], *, seconds: float = PATIENCE) -> T:
    """Ask again and again until the answer is true; fail at the deadline."""
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still {answer!r} after {seconds} s")
        time.sleep(0.02)
    return answer


@dataclass(frozen=True)
class Outcome:
    """What a process left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output, which must be exactly one JSON document."""
        return json.loads(self.out)


class Pool:
    """The worker's databases. Making one costs far more than emptying one, so they are used again."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._free: defaultdict[str, list[str]] = defaultdict(list)
        self._numbers = itertools.count(1)

    def take(self, service: str) -> str:
        """Return the name of an empty database that belongs to the service's owner, or of one yet to be made."""
        free = self._free[service]
        return free.pop() if free else f"{service}_{next(self._numbers)}"

    def give_back(self, service: str, name: str) -> None:
        """Empty the database and take its settings away."""
        import psycopg

        with psycopg.connect(self.server.conninfo(name), autocommit=True, options="-c default_transaction_read_only=off") as connection:
            connection.execute(EMPTY)
            connection.execute(f'ALTER DATABASE "{name}" RESET ALL'.encode())
        self._free[service].append(name)


EMPTY = b"""
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
DO $$
DECLARE v_schema text;
BEGIN
    SET LOCAL client_min_messages = warning;
    FOR v_schema IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', v_schema);
    END LOOP;
    CREATE SCHEMA public AUTHORIZATION pg_database_owner;
    GRANT USAGE ON SCHEMA public TO PUBLIC;
END $$
"""


@dataclass
class Scratch:
    """A project folder. `pool` has the databases that its environment names by URL; None means an embedded server."""

    root: Path
    pool: Pool | None
    databases: dict[str, str] = field(default_factory=dict)
    opened: list[psycopg.Connection[tuple[Any, ...]]] = field(default_factory=list)
    children: list[subprocess.Popen[str]] = field(default_factory=list)

    # files

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a file of the project, its indentation taken off."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).lstrip("\n").encode())
        if path.endswith(".j2"):
            from dbkit.source import templates

            templates._environment.cache_clear()  # a process compiles a template once, a test edits it
        return target

    def migration(self, stem: str, up: str, down: str | None = "SELECT 1;\n", *, service: str = "main") -> Path:
        """Write a migration, and its rollback unless `down` is None."""
        if down is not None:
            self.write(f"migrations/{service}/{stem}.rollback.sql", down)
        return self.write(f"migrations/{service}/{stem}.sql", up)

    def routine(self, name: str, text: str, *, service: str = "main") -> Path:
        return self.write(f"schemas/{service}/{name}.sql", text)

    def describe(self, *services: str, environment: str = "", more: str = "") -> None:
        """Write the manifest; its environment `here` is the default. Make the roles and databases."""
        chosen = services or ("main",)
        tables = "".join(f'[services.{service}]\nshared = []\ndatabase = "{self.database_name(service)}"\n' for service in chosen)
        settings = environment or self.environment()
        self.write(
            "dbkit.toml", f'[project]\nname = "scratch"\ndefault_environment = "here"\n{tables}[environments.here]\n{settings}\n{more}'
        )
        if self.pool:
            from dbkit.postgres.roles import prepare_cluster

            prepare_cluster(self.pool.server.conninfo("postgres"), self.project, list(chosen))

    def environment(self, role: str = "migrator") -> str:
        """Return the lines of the manifest that say where the services are."""
        if self.pool is None:
            wanted = server_settings()
            folder = f'\npostgres_bin = "{wanted.postgres_bin}"' if wanted.postgres_bin else ""
            return f'server = "embedded"\npostgres = {wanted.postgres}{folder}'
        return f'url = "postgresql:///{{database}}?host={self.pool.server.sockets}&user=scratch_{{service}}_{role}"'

    def database_name(self, service: str) -> str:
        """Return the service's database; the first time, choose it."""
        if service not in self.databases:
            self.databases[service] = self.pool.take(service) if self.pool else service
        return self.databases[service]

    # processes

    def run(self, *arguments: str, cwd: Path | None = None, code: int | None = None, stdin: str = "", **environment: str) -> Outcome:
        """Run dbkit in the project's folder as a process; `code` is the exit code that must come of it."""
        done = subprocess.run(
            [sys.executable, "-m", "dbkit", *arguments],
            cwd=cwd or self.root,
            env=process_environment(**environment),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )
        outcome = Outcome(done.returncode, done.stdout, done.stderr)
        assert code is None or outcome.code == code, outcome
        return outcome

    def call(self, *arguments: str, cwd: Path | None = None, code: int | None = None, **environment: str) -> Outcome:
        """Run dbkit as `run` does, but in this process: for what does not depend on being one of its own."""
        from dbkit import cli

        out, err = io.StringIO(), io.StringIO()
        terminated = signal.getsignal(signal.SIGTERM)
        with (
            contextlib.chdir(cwd or self.root),
            patch.dict(os.environ, environment),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                cli.main(list(arguments))
                found = 0
            except SystemExit as exc:
                found = int(exc.code or 0)
            finally:
                signal.signal(signal.SIGTERM, terminated)
        outcome = Outcome(found, out.getvalue(), err.getvalue())
        assert code is None or outcome.code == code, outcome
        return outcome

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start dbkit and go on; what still runs when the test ends is killed."""
        child = subprocess.Popen(
            [sys.executable, "-m", "dbkit", *arguments],
            cwd=self.root,
            env=process_environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.children.append(child)
        return child

    # in this process

    @property
    def project(self) -> Project:
        return find_project(self.root)

    def database(self, service: str = "main") -> Database:
        from dbkit.postgres.connect import Database
        from dbkit.project.target import targets

        return Database(targets(self.project, None, (service,))[0])

    def migrate(
        self,
        service: str = "main",
        *,
        to: str | None = None,
        lock_wait: float = 20.0,
        events: list[Event] | None = None,
        by_hand: Decision = "stop",
        orphans: bool = False,
    ) -> Plan:
        from dbkit.migrate.run import migrate
        from dbkit.postgres.journal import Run

        told = [] if events is None else events
        run = Run("here", None)
        return migrate(self.database(service), run, told.append, to=to, lock_wait=lock_wait, by_hand=by_hand, orphans=orphans)

    def rollback(self, service: str = "main", *, to: str | None = None, steps: int | None = None) -> list[Undo]:
        from dbkit.migrate.rollback import rollback
        from dbkit.postgres.journal import Run

        return rollback(self.database(service), Run("here", None), lambda _event: None, to=to, steps=steps, lock_wait=20.0)

    def status(self, service: str = "main") -> ServiceStatus:
        from dbkit.migrate.status import read_status

        database = self.database(service)
        with database.connect("status") as connection:
            return read_status(database, connection)

    def states(self, service: str = "main") -> dict[str, str]:
        """Return each migration's state by its name."""
        return {m.id.partition("/")[2]: m.state for m in self.status(service).migrations}

    def connect(self, role: str = "superuser", *, service: str = "main", **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection in autocommit mode; it is closed when the test ends."""
        import psycopg

        assert self.pool is not None
        user = "postgres" if role == "superuser" else f"scratch_{service}_{role}"
        connection = psycopg.connect(self.pool.server.conninfo(self.database_name(service), user), autocommit=True, **options)
        self.opened.append(connection)
        return connection

    def value(self, query: str, *parameters: object, service: str = "main") -> Any:
        """Ask the database of a service, as the superuser, for one value; None where the statement returns nothing."""
        with self.connect(service=service) as connection:
            cursor = connection.execute(query.encode(), parameters or None)
            row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None

    def column(self, query: str, *parameters: object, service: str = "main") -> list[Any]:
        """Ask the database of a service, as the superuser, for one column."""
        with self.connect(service=service) as connection:
            return [row[0] for row in connection.execute(query.encode(), parameters or None).fetchall()]

    def events(self, service: str = "main") -> list[tuple[str, str]]:
        """Return what the journal says of migrations and routines as (event, object), oldest first."""
        query = "SELECT event, object FROM dbkit.journal WHERE service = %s AND kind <> 'run' ORDER BY id"
        with self.connect(service=service) as connection:
            return [(row[0], row[1].partition("/")[2]) for row in connection.execute(query, [service]).fetchall()]

    def tables(self, service: str = "main") -> set[str]:
        """Return the names of the service's tables and views, yoyo's left out."""
        query = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'v', 'm', 'p')"
        return {name for name in self.column(query, service, service=service) if not name.startswith("_yoyo")}

    # the end

    def leave(self) -> None:
        """End what the test left running, and remove its databases or its server."""
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.communicate()
        for connection in self.opened:
            connection.close()
        if self.pool is None:
            self._remove_server()
            return
        for service, name in self.databases.items():
            self.pool.give_back(service, name)

    def own_server(self) -> Server:
        """Return the embedded server of the environment `here`."""
        from dbkit.postgres.embedded import embedded_server

        return embedded_server(self.root, "here", server_settings())

    def _remove_server(self) -> None:
        from dbkit.postgres import server as pg
        from dbkit.project.state import place
        from dbkit.redis import server as valkey

        where = place(self.root, "here")
        if where.data.exists():
            pg.stop(self.own_server(), "immediate")
            with contextlib.suppress(Exception):
                valkey.stop(valkey.embedded_server(self.root, "here"))
            shutil.rmtree(where.data.parent if where.account.name else where.data, ignore_errors=True)
            shutil.rmtree(where.sockets, ignore_errors=True)


def process_environment(**more: str) -> dict[str, str]:
    """Return this process's environment for a child that finds the same dbkit."""
    found = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}}
    path = os.pathsep.join(filter(None, [str(SOURCES), found.get("PYTHONPATH")]))
    return found | {"PYTHONPATH": path, "PYTHONWARNINGS": "default"} | more
