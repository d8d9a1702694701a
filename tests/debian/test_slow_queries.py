"""Slow queries where the server brings pg_stat_statements: loaded by it, and not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dbkit.postgres.throwaway import throwaway_server
from dbkit.testing.plugin import Cluster, server_settings

if TYPE_CHECKING:
    from dbkit.project.manifest import Project
    from dbkit.testing.plugin import ServiceDatabase

ASKED = "SELECT query, calls, reason FROM ops.get_slow_queries(500)"


def create_extension(database: ServiceDatabase) -> None:
    with database.connect(None) as superuser:
        superuser.execute("CREATE SCHEMA ext; GRANT USAGE ON SCHEMA ext TO PUBLIC; CREATE EXTENSION pg_stat_statements SCHEMA ext")


def answers(database: ServiceDatabase) -> list[tuple[Any, ...]]:
    return database.connect("ops").execute(ASKED).fetchall()


def test_an_extension_that_the_server_did_not_load_is_told_as_a_reason(pg_service: Callable[[str], ServiceDatabase]) -> None:
    database = pg_service("product")
    create_extension(database)

    ((query, calls, reason),) = answers(database)

    assert (query, calls) == (None, None)
    assert "shared_preload_libraries" in reason


def test_the_queries_of_other_roles_are_told(dbkit_project: Project) -> None:
    with throwaway_server(server_settings(), shared_preload_libraries="pg_stat_statements") as server:
        cluster = Cluster(dbkit_project, server)
        database = cluster.copy("product")
        create_extension(database)
        app = database.connect()
        for number in range(3):
            app.execute(f"SELECT count(*) + {number} AS found_by_the_app FROM product.products")

        told = answers(database)
        cluster.drop(database)

    assert [(calls, reason) for query, calls, reason in told if query and "found_by_the_app" in query] == [(3, None)]
