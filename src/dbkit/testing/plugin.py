"""The pytest plugin: `pg_service("order")` and `redis_service("cart")`.

One throw-away server a worker, one migrated template a service, one copy a test.
$DBKIT_TEST_POSTGRES chooses the server: 16, 18, or a folder with PostgreSQL's programs;
$DBKIT_TEST_REDIS a server program instead of the embedded Valkey, `cluster` or `cluster:PROGRAM` for three masters, or
a redis:// URL. $DBKIT_TEST_COVERAGE is a file for what the tests ran of the functions, as lcov: it needs a server with
plpgsql_check.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import psycopg
    import redis

    from dbkit.postgres.connect import Database
    from dbkit.postgres.server import Server
    from dbkit.project.manifest import Project
    from dbkit.prove.coverage import Coverage, Subjects
    from dbkit.redis.scripts import Caller

COVERAGE: pytest.StashKey[Coverage] = pytest.StashKey()


@dataclass
class ServiceDatabase:
    """A migrated database of one test's own."""

    database: Database
    opened: list[psycopg.Connection[tuple[Any, ...]]] = field(default_factory=list)

    def dsn(self, role: str | None = "app") -> str:
        """Return a conninfo string that logs in as the service's role; None is the superuser."""
        if role == "owner":
            owner = self.database.target.role("owner")
            return f"{self.database.conninfo('superuser')} options='-c role={owner}'"
        return self.database.conninfo(role or "superuser")

    def connect(self, role: str | None = "app") -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection in autocommit mode; it is closed when the test ends."""
        import psycopg

        connection = psycopg.connect(self.dsn(role), autocommit=True)
        self.opened.append(connection)
        return connection


class Cluster:
    """The worker's server and its templates; `coverage` counts what the tests ran, where that is wanted."""

    def __init__(self, project: Project, server: Server, coverage: Coverage | None = None) -> None:
        self.project = project
        self.server = server
        self.coverage = coverage
        self._templates: dict[str, Subjects] = {}
        self._numbers = itertools.count(1)

    def copy(self, service: str) -> ServiceDatabase:
        """Copy the service's template; make it first, where this is the first test that asks."""
        from dbkit.postgres.connect import connect
        from dbkit.postgres.roles import grant_database

        template = self.project.database(service)
        if service not in self._templates:
            self._templates[service] = self._migrate(service)
        name = f"{template}_{next(self._numbers)}"
        self._janitor(name, template).init()
        with connect(self.server.conninfo("postgres"), "testing") as connection:
            from psycopg.sql import SQL, Identifier

            owner = self.project.role(service, "owner")
            connection.execute(SQL("ALTER DATABASE {} OWNER TO {}").format(Identifier(name), Identifier(owner)))
            grant_database(connection, self.project, service, name)
        return ServiceDatabase(self._database(service, name))

    def drop(self, made: ServiceDatabase) -> None:
        for connection in made.opened:
            connection.close()
        if self.coverage is not None:
            self.coverage.update(self._ran(made))
        self._janitor(made.database.target.database, None).drop()

    def forget(self, made: ServiceDatabase) -> None:
        """Count nothing of what ran there until now."""
        if self.coverage is not None:
            self._ran(made)

    def _ran(self, made: ServiceDatabase) -> Coverage:
        from dbkit.prove.coverage import collect

        return collect(made.database, self._templates[made.database.service])

    def _janitor(self, name: str, template: str | None) -> Any:
        from pytest_postgresql.janitor import DatabaseJanitor

        from dbkit.postgres.server import PORT, SUPERUSER

        return DatabaseJanitor(user=SUPERUSER, host=str(self.server.sockets), port=PORT, dbname=name, template_dbname=template)

    def _migrate(self, service: str) -> Subjects:
        from dbkit.migrate.run import migrate
        from dbkit.postgres.journal import Run
        from dbkit.postgres.roles import prepare_cluster

        prepare_cluster(self.server.conninfo("postgres"), self.project, [service])
        template = self._database(service, self.project.database(service))
        migrate(template, Run("test", None), lambda _event: None)
        if self.coverage is None:
            return {}
        from dbkit.prove.coverage import prepare

        return prepare(template)

    def _database(self, service: str, name: str) -> Database:
        from dbkit.postgres.connect import Database
        from dbkit.project.target import Target

        manifest = self.project.manifest
        settings = replace_struct(manifest.services[service], database=name)
        project = replace(self.project, manifest=replace_struct(manifest, services={**manifest.services, service: settings}))
        target = Target(project, service, "test", server_settings(), "postgres", None, None)
        return Database(target, self.server)


def replace_struct(struct: Any, **changes: Any) -> Any:
    """Return a copy of a frozen struct with other values."""
    import msgspec

    return msgspec.structs.replace(struct, **changes)


def server_settings() -> Any:
    """Return the environment that $DBKIT_TEST_POSTGRES asks for."""
    from dbkit.project.manifest import Environment

    wanted = os.environ.get("DBKIT_TEST_POSTGRES", "18")
    if wanted in {"16", "18"}:
        return Environment(server="embedded", postgres=16 if wanted == "16" else 18)
    return Environment(server="embedded", postgres_bin=wanted)


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count, where coverage is wanted."""
    if os.environ.get("DBKIT_TEST_COVERAGE"):
        from dbkit.postgres.server import find_binaries
        from dbkit.project.state import server_account
        from dbkit.prove.coverage import LIBRARY

        settings = server_settings()
        if not find_binaries(settings.postgres, settings.postgres_bin, server_account()).has_library(LIBRARY):
            raise pytest.UsageError(f"DBKIT_TEST_COVERAGE needs a server with {LIBRARY}: name its programs with DBKIT_TEST_POSTGRES")
        config.stash[COVERAGE] = Counter()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what one of xdist's workers has counted."""
    if COVERAGE in node.config.stash:
        from dbkit.prove.coverage import Point

        node.config.stash[COVERAGE].update({Point(*point): count for point, count in node.workeroutput.get("dbkit_coverage", ())})


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what was counted to xdist's controller; write it, where there is none."""
    coverage = session.config.stash.get(COVERAGE, None)
    if coverage is None:
        return
    if hasattr(session.config, "workeroutput"):
        from dataclasses import astuple

        session.config.workeroutput["dbkit_coverage"] = [(astuple(point), count) for point, count in coverage.items()]
    else:
        from dbkit.prove.lcov import lcov

        Path(os.environ["DBKIT_TEST_COVERAGE"]).write_text(lcov(coverage), encoding="utf-8")


@pytest.fixture(scope="session")
def dbkit_project(pytestconfig: pytest.Config) -> Project:
    """The project whose services the fixtures serve: the nearest dbkit.toml at or above pytest's root."""
    from dbkit.project.manifest import find_project

    root = pytestconfig.rootpath
    return find_project(next((folder for folder in [root, *root.parents] if (folder / "dbkit.toml").is_file()), root))


@pytest.fixture(scope="session")
def dbkit_server(pytestconfig: pytest.Config) -> Iterator[Server]:
    """A throw-away PostgreSQL for this worker."""
    from dbkit.postgres.throwaway import throwaway_server
    from dbkit.prove.coverage import SETTINGS

    with throwaway_server(server_settings(), **(SETTINGS if COVERAGE in pytestconfig.stash else {})) as server:
        yield server


@pytest.fixture(scope="session")
def dbkit_cluster(pytestconfig: pytest.Config, dbkit_project: Project, dbkit_server: Server) -> Cluster:
    """The worker's server with a migrated template for each service that a test asked for."""
    return Cluster(dbkit_project, dbkit_server, pytestconfig.stash.get(COVERAGE, None))


@pytest.fixture
def pg_service(dbkit_cluster: Cluster) -> Iterator[Callable[[str], ServiceDatabase]]:
    """A factory: `pg_service("order")` is a migrated database of this test's own."""
    made: list[ServiceDatabase] = []

    def copy(service: str) -> ServiceDatabase:
        made.append(dbkit_cluster.copy(service))
        return made[-1]

    yield copy
    for database in made:
        dbkit_cluster.drop(database)


@dataclass
class ServiceScripts:
    """An empty Redis with the service's scripts loaded."""

    client: redis.Redis
    project: Project
    service: str

    @cached_property
    def caller(self) -> Caller:
        from dbkit.redis.scripts import caller

        return caller(self.client, self.project, self.service)

    def call(self, name: str, keys: list[str], args: list[Any] | None = None) -> Any:
        """Run a script by name; the rules' numbers are added to its arguments."""
        return self.caller.call(name, keys, args or [])


@pytest.fixture(scope="session")
def dbkit_redis() -> Iterator[redis.Redis]:
    """A Redis for this worker."""
    from dbkit.redis.connect import open_client

    wanted = os.environ.get("DBKIT_TEST_REDIS", "")
    kind, _, named = wanted.partition(":")
    if kind in {"redis", "rediss", "unix"}:
        with open_client(wanted) as client:
            yield client
        return
    if kind == "cluster":
        from dbkit.project.state import Account
        from dbkit.redis.server import find_program
        from dbkit.testing.redis_cluster import running_cluster

        account = Account(None, os.geteuid(), os.getegid())
        with running_cluster(Path(named) if named else find_program(account)) as url, open_client(url) as client:
            yield client
        return
    from dbkit.redis.throwaway import throwaway_redis

    with throwaway_redis(Path(wanted) if wanted else None) as server, server.client() as client:
        yield client


@pytest.fixture
def redis_service(dbkit_project: Project, dbkit_redis: redis.Redis) -> Callable[[str], ServiceScripts]:
    """A factory: `redis_service("cart")` is an empty Redis with the service's scripts loaded."""
    from dbkit.redis.scripts import load, load_scripts

    def make(service: str) -> ServiceScripts:
        dbkit_redis.flushall()
        load(dbkit_redis, dbkit_project, service, load_scripts(dbkit_project, service))
        return ServiceScripts(dbkit_redis, dbkit_project, service)

    return make
