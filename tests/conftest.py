"""What every test of dbkit itself stands on: the plugin's servers, and small projects on them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

import dbkit.testing.plugin
from dbkit.postgres.server import find_binaries
from dbkit.project.state import server_account
from dbkit.testing.plugin import server_settings
from scratch import Pool, Scratch

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.server import Server

NO_CITUS: pytest.StashKey[bool] = pytest.StashKey()

# the same examples in every run, nothing written into the checkout
settings.register_profile(
    "suite",
    database=None,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """Load the plugin from the checkout; an installed dbkit has loaded it by its entry point."""
    if not config.pluginmanager.is_registered(dbkit.testing.plugin):
        config.pluginmanager.register(dbkit.testing.plugin, "dbkit")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the tests on Citus where the server has it not; the run says so at its end."""
    if collection_path.parent.name != "citus" or _has_citus():
        return None
    config.stash[NO_CITUS] = True
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if NO_CITUS in config.stash:
        terminalreporter.write_line("this server has no Citus: the tests in tests/citus were not collected")


def _has_citus() -> bool:
    chosen = server_settings()
    return find_binaries(chosen.postgres, chosen.postgres_bin, server_account()).has_library("citus")


@pytest.fixture(autouse=True)
def _no_settings_of_the_developers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of the shell must not choose the environment or the target of a test."""
    for name in list(os.environ):
        if name.startswith(("DBKIT_", "PG")) and not name.startswith("DBKIT_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def pool(dbkit_server: Server) -> Pool:
    """The worker's databases on its throw-away server."""
    return Pool(dbkit_server)


@pytest.fixture
def scratch(tmp_path: Path, pool: Pool) -> Iterator[Scratch]:
    """A project with one service, `main`, on a database of its own, reached by URL."""
    project = Scratch(tmp_path / "scratch", pool)
    project.root.mkdir()
    project.describe()
    yield project
    project.leave()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Scratch]:
    """A project with one service, `main`, on an embedded server of its own."""
    project = Scratch(tmp_path / "own", None)
    project.root.mkdir()
    project.describe()
    yield project
    project.leave()


@pytest.fixture
def connection(scratch: Scratch) -> psycopg.Connection[tuple[Any, ...]]:
    """The superuser's connection to the database of `main`."""
    return scratch.connect()
