"""tests/shop/SERVICE/*.sql, which `dbkit test` runs, on whatever server the suite runs on: each block is a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dbkit.maintain.seed import seed
from dbkit.prove import load_sql_tests, run_sql_test
from dbkit.testing.plugin import Cluster, ServiceDatabase

SERVICES = sorted(path.name for path in Path(__file__).parent.iterdir() if list(path.glob("*.sql")) and path.name != "plans")


@pytest.mark.parametrize("service", SERVICES)
def test_every_block_passes(dbkit_cluster: Cluster, pg_service: Callable[[str], ServiceDatabase], service: str) -> None:
    made = pg_service(service)
    seed(made.database)
    dbkit_cluster.forget(made)  # what the examples call is tested by nothing
    project, owner = made.database.target.project, made.database.target.role("owner")

    results = [run_sql_test(made.database, owner, test) for test in load_sql_tests(service, project.folder(service, "tests"))]

    assert [f"{r.test.path.name}:{r.test.line}: {r.test.claim}: {r.problem}" for r in results if not r.passed] == []
    assert results
