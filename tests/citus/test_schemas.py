"""The order service in schemas that Citus spreads: each whole on one node, and its tests pass there unchanged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from dbkit.fleet.members import members
from dbkit.maintain.seed import seed
from dbkit.migrate.run import migrate
from dbkit.postgres import citus
from dbkit.postgres.connect import Database
from dbkit.postgres.journal import Run
from dbkit.postgres.roles import prepare_cluster
from dbkit.postgres.throwaway import throwaway_server
from dbkit.project.manifest import Endpoint, Targets
from dbkit.project.target import Target
from dbkit.prove import load_sql_tests, run_sql_test
from dbkit.testing.plugin import replace_struct, server_settings

if TYPE_CHECKING:
    from dbkit.project.manifest import Project

SHARDS = ("shard_1", "shard_2")


@pytest.fixture(scope="module")
def shards(dbkit_project: Project) -> Iterator[list[Database]]:
    """Migrate two schemas on a server that is coordinator and node in one."""
    endpoint = Endpoint(targets=Targets(schemas=SHARDS), scale="citus")
    settings = replace_struct(server_settings(), services={"order": endpoint})
    # its triggers are refused on distributed tables; a schema is one shard, where they are safe
    options = {"shared_preload_libraries": "citus", "listen_addresses": "localhost", "citus.enable_unsafe_triggers": "on"}
    with throwaway_server(settings, **options) as server:
        prepare_cluster(server.conninfo("postgres"), dbkit_project, ["order"])
        with psycopg.connect(server.conninfo("order"), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION citus")
            connection.execute("SELECT citus_set_coordinator_host('localhost', 5432)")
        every = members([Target(dbkit_project, "order", "test", settings, "postgres", None, None, endpoint)], ())
        databases = [Database(replace(target, fleet=None), server) for target in every]
        for database in databases:
            migrate(database, Run("test", None), lambda _event: None)
        yield databases


def test_each_schema_is_on_a_node(shards: list[Database]) -> None:
    for database in shards:
        with database.connect("test", "superuser") as connection:
            assert citus.node(connection, database.target) == "localhost:5432"
            assert connection.execute("SELECT count(*) FROM pg_dist_schema").fetchone() == (len(SHARDS),)


def test_the_services_tests_pass_there(shards: list[Database]) -> None:
    failed = []
    for database in shards:
        seed(database)
        project, schema = database.target.project, database.target.schema
        for test in load_sql_tests("order", project.folder("order", "tests")):
            there = replace(test, text=re.sub(r"\borders(?=\.\w)", schema, test.text))
            result = run_sql_test(database, database.target.role("owner"), there)
            failed += [] if result.passed else [f"{schema}: {test.path.name}:{test.line}: {result.problem}"]
    assert failed == []
