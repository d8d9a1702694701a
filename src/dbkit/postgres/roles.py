"""The roles of a service and its database, once a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dbkit.postgres.connect import SESSION, connect
from dbkit.postgres.lock import CLUSTER, SPACE
from dbkit.project.manifest import ROLE_KINDS

if TYPE_CHECKING:
    import psycopg

    from dbkit.project.manifest import Project


def prepare_cluster(maintenance: str, project: Project, services: list[str]) -> list[str]:
    """Make what is missing: roles, memberships and databases of the services.

    `maintenance` is a superuser's conninfo for a database of the cluster that is not a
    service's. Returns the names of the databases that were made.
    """
    with connect(maintenance, "up") as connection:
        missing = _missing(connection, project, services)
        if not missing:
            return []
        connection.execute("SELECT pg_advisory_lock(%s, %s)", [SPACE, CLUSTER])
        for service in services:
            _make_roles(connection, project, service)
        return [database for service in services if (database := _make_database(connection, project, service))]


@contextmanager
def alone_with_roles(conninfo: str) -> Iterator[None]:
    """Keep everybody else from changing roles: statements about one role from two databases at once fail.

    `conninfo` names any database of the cluster; the lock is in the maintenance database, `postgres`.
    """
    from psycopg.conninfo import make_conninfo

    with connect(make_conninfo(conninfo, dbname="postgres"), "roles", **SESSION) as connection, connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", [SPACE, CLUSTER])
        yield


def _missing(connection: psycopg.Connection[tuple[Any, ...]], project: Project, services: list[str]) -> bool:
    roles = [project.role(service, kind) for service in services for kind in ROLE_KINDS]
    databases = [project.database(service) for service in services]
    row = connection.execute(
        "SELECT (SELECT count(*) FROM pg_roles WHERE rolname = ANY(%s)), (SELECT count(*) FROM pg_database WHERE datname = ANY(%s))",
        [roles, databases],
    ).fetchone()
    assert row is not None  # noqa: S101 a SELECT without FROM returns a row
    return bool(row[0] < len(roles) or row[1] < len(set(databases)))


def _make_roles(connection: psycopg.Connection[tuple[Any, ...]], project: Project, service: str) -> None:
    """The owner owns everything and can't log in; the migrator may become it."""
    from psycopg.sql import SQL, Identifier

    for kind in ROLE_KINDS:
        name = project.role(service, kind)
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone():
            login = SQL("NOLOGIN") if kind == "owner" else SQL("LOGIN")
            connection.execute(SQL("CREATE ROLE {} {}").format(Identifier(name), login))
    owner, migrator = Identifier(project.role(service, "owner")), Identifier(project.role(service, "migrator"))
    explicit = SQL(" WITH SET TRUE, INHERIT TRUE") if connection.info.server_version >= 160000 else SQL("")
    connection.execute(SQL("GRANT {} TO {}").format(owner, migrator) + explicit)
    # the migrator names who is in its way, and what that session runs
    watchers = SQL(", ").join(Identifier(project.role(service, kind)) for kind in ("ops", "migrator"))
    connection.execute(SQL("GRANT pg_monitor TO {}").format(watchers))


def _make_database(connection: psycopg.Connection[tuple[Any, ...]], project: Project, service: str) -> str | None:
    from psycopg.sql import SQL, Identifier

    name = project.database(service)
    made = not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    if made:
        connection.execute(SQL("CREATE DATABASE {} OWNER {}").format(Identifier(name), Identifier(project.role(service, "owner"))))
    grant_database(connection, project, service, name)
    return name if made else None


def grant_database(connection: psycopg.Connection[tuple[Any, ...]], project: Project, service: str, database: str) -> None:
    """Let the service's roles in, and nobody else; a template copy needs it again."""
    from psycopg.sql import SQL, Identifier

    people = SQL(", ").join(Identifier(project.role(service, kind)) for kind in ROLE_KINDS if kind != "owner")
    connection.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(Identifier(database)))
    connection.execute(SQL("GRANT CONNECT ON DATABASE {} TO {}").format(Identifier(database), people))
