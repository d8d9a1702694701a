"""Whatever is changed by hand in a catalog is found, and the SQL that is printed puts it right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dbkit.postgres import catalog
from dbkit.verify import compare
from dbkit.verify.repair import plan_repair, script
from scratch import Pool, Scratch

if TYPE_CHECKING:
    from dbkit.postgres.catalog import Catalog

HERE = Path(__file__).parent
OWNER, MIGRATOR = "scratch_main_owner", "scratch_main_migrator"


def lines(name: str) -> list[str]:
    return [line for line in (HERE / name).read_text(encoding="utf-8").splitlines() if line and not line.startswith("--")]


CHANGES, MEANINGLESS = lines("drift_changes.txt"), lines("drift_none.txt")
Connection = psycopg.Connection[tuple[Any, ...]]


class Original:
    """A database with everything in it, from which the changed ones are copied; `catalog` is what is expected of them."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        with self.connect("postgres") as connection:
            connection.execute("DROP DATABASE IF EXISTS original")
            connection.execute(f"CREATE DATABASE original OWNER {OWNER}".encode())
        with self.connect("original") as connection:
            connection.execute(f"CREATE SCHEMA main AUTHORIZATION {OWNER}; SET ROLE {OWNER}".encode())
            connection.execute((HERE / "drift_schema.sql").read_bytes())
            connection.execute("RESET ROLE; CREATE FUNCTION main.tg_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'")
            connection.execute(f"ALTER FUNCTION main.tg_ddl() OWNER TO {OWNER}".encode())
            connection.execute("INSERT INTO main.people (name, moods, born) VALUES ('Ann', '{ok}', '2001-02-03')")
            connection.execute("INSERT INTO main.events VALUES (1, '2025-01-02')")
            self.catalog = read(connection)

    def connect(self, database: str, user: str = "postgres") -> Connection:
        return psycopg.connect(self.pool.server.conninfo(database, user), autocommit=True)

    @contextmanager
    def copy(self) -> Iterator[Connection]:
        """Yield the superuser's connection, in a transaction that is rolled back."""
        with self.connect("original") as connection, connection.transaction(force_rollback=True):
            yield connection


@pytest.fixture(scope="module")
def original(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Original:
    project = Scratch(tmp_path_factory.mktemp("drift"), pool)
    project.describe()
    project.leave()
    return Original(pool)


def read(connection: Connection) -> Catalog:
    return catalog.read(connection, catalog.schemas_of(connection, "main", OWNER), needs=True)


def repaired(original: Original, connection: Connection, found: Catalog) -> str:
    """Run the script that is printed, but for its COMMIT; return it."""
    steps = [repair.step for repair in plan_repair(original.catalog, found, OWNER)]
    text = script(steps, OWNER, "postgres")
    try:
        connection.execute(text.replace("BEGIN;\n", "").replace("COMMIT;\n", "RESET ROLE").encode())
    except psycopg.Error as exc:
        raise AssertionError(f"{exc}\n{text}") from exc
    return text


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_found_and_put_right(original: Original, change: str) -> None:
    with original.copy() as connection:
        connection.execute(change.encode())
        found = read(connection)
        assert found.fingerprint != original.catalog.fingerprint
        assert compare(original.catalog, found)
        text = repaired(original, connection, found)
        after = read(connection)
        assert not compare(original.catalog, after), text
        assert after.fingerprint == original.catalog.fingerprint, text


@settings(max_examples=120)
@given(st.lists(st.sampled_from(CHANGES), min_size=2, max_size=3, unique=True))
def test_changes_together_are_found_and_put_right(original: Original, changes: list[str]) -> None:
    with original.copy() as connection:
        made = [change for change in changes if applied(connection, change)]
        assume(len(made) > 1)
        found = read(connection)
        assert found.fingerprint != original.catalog.fingerprint
        assert compare(original.catalog, found)
        text = repaired(original, connection, found)
        after = read(connection)
        assert not compare(original.catalog, after), text
        assert after.fingerprint == original.catalog.fingerprint, text


def applied(connection: Connection, change: str) -> bool:
    """Make a change, unless one before it took away what it needs."""
    try:
        with connection.transaction():
            connection.execute(change.encode())
    except psycopg.Error:
        return False
    return True


@given(st.lists(st.sampled_from(MEANINGLESS), min_size=1, max_size=4, unique=True))
def test_what_means_nothing_is_no_drift(original: Original, changes: list[str]) -> None:
    with original.copy() as connection:
        made = [change for change in changes if applied(connection, change)]
        assume(made)
        found = read(connection)
        assert not compare(original.catalog, found)
        assert found.fingerprint == original.catalog.fingerprint
        assert plan_repair(original.catalog, found, OWNER) == []


def test_each_of_those_that_mean_nothing_can_be_made(original: Original) -> None:
    for change in MEANINGLESS:
        with original.copy() as connection:
            connection.execute(change.encode())
