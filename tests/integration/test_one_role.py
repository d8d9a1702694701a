"""A plain URL with one role, several services in one database, and a service that lives in a hostile one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dbkit.errors import DbkitError
from scratch import Scratch


@pytest.fixture
def lone(scratch: Scratch) -> Iterator[Scratch]:
    """Two services in one database, reached as one role that is no superuser; the project has no roles of its own."""
    assert scratch.pool
    database = scratch.database_name("main")
    with scratch.connect() as connection:
        connection.execute("DROP ROLE IF EXISTS lone")
        connection.execute("CREATE ROLE lone LOGIN")
        connection.execute(f'GRANT CONNECT, CREATE, TEMPORARY ON DATABASE "{database}" TO lone'.encode())
    scratch.write(
        "dbkit.toml",
        f"""
        [project]
        name = "lone"
        default_environment = "here"
        [services.main]
        shared = []
        [services.other]
        shared = []
        [environments.here]
        url = "postgresql:///{database}?host={scratch.pool.server.sockets}&user=lone"
        """,
    )
    yield scratch
    with scratch.connect() as connection:
        connection.execute("DROP OWNED BY lone CASCADE; DROP ROLE lone")


def test_one_role_does_everything(lone: Scratch) -> None:
    lone.migration("0001_a", "CREATE TABLE main.a ();", "DROP TABLE main.a;")
    lone.routine("v", "CREATE OR REPLACE VIEW main.v AS SELECT count(*) AS n FROM main.a;")

    lone.migrate()

    assert lone.tables() == {"a", "v"}
    assert set(lone.column("SELECT relowner::regrole::text FROM pg_class WHERE relname IN ('a', 'v', 'journal', '_yoyo_log')")) == {"lone"}

    lone.rollback()

    assert lone.tables() == set()


def test_roles_in_templates_are_the_one_role(lone: Scratch) -> None:
    lone.migration("0001_a", "CREATE TABLE main.a ();", "DROP TABLE main.a;")
    lone.write("schemas/main/grants.sql.j2", "GRANT SELECT ON {{ schema }}.a TO {{ roles.app }}, {{ roles.readonly }};\n")

    lone.migrate()

    assert lone.migrate().is_empty


def test_doctor_says_what_is_lost(lone: Scratch) -> None:
    told = lone.run("doctor", "main")

    assert "one role does everything" in told.out
    assert "lone_main_owner" in told.out


def test_two_services_of_one_database_apply_files_of_one_name(lone: Scratch) -> None:
    lone.migration("0001_a", "CREATE TABLE main.a ();", "DROP TABLE main.a;")
    lone.migration("0001_a", "CREATE TABLE other.a ();", "DROP TABLE other.a;", service="other")

    lone.run("migrate", code=0)

    assert lone.column("SELECT object FROM dbkit.journal WHERE event = 'applied' ORDER BY id") == ["main/0001_a", "other/0001_a"]
    assert lone.column(
        "SELECT nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace WHERE relname = 'a' ORDER BY 1"
    ) == [
        "main",
        "other",
    ]
    assert (
        lone.column("SELECT migration_id FROM main._yoyo_migration UNION ALL SELECT migration_id FROM other._yoyo_migration")
        == ["0001_a"] * 2
    )
    assert lone.states("main") == lone.states("other") == {"0001_a": "applied"}


def test_a_rollback_of_one_service_leaves_the_other(lone: Scratch) -> None:
    lone.migration("0001_a", "CREATE TABLE main.a ();", "DROP TABLE main.a;")
    lone.migration("0001_a", "CREATE TABLE other.a ();", "DROP TABLE other.a;", service="other")
    lone.migrate("main")
    lone.migrate("other")

    lone.rollback("main")

    assert (lone.states("main"), lone.states("other")) == ({"0001_a": "pending"}, {"0001_a": "applied"})
    assert lone.value("SELECT to_regclass('other.a') IS NOT NULL AND to_regclass('main.a') IS NULL")


def test_the_journals_chain_goes_on_over_both_services(lone: Scratch) -> None:
    for service in ("main", "other"):
        lone.migration("0001_a", "SELECT 1;", service=service)
        lone.migrate(service)

    with lone.connect() as connection:
        rows = connection.execute("SELECT previous, hash FROM dbkit.journal ORDER BY id").fetchall()

    assert len(rows) == 4
    assert [previous for previous, _ in rows] == [b"", *(made for _, made in rows[:-1])]


def test_two_services_of_one_database_with_roles_of_their_own_share_the_journal(scratch: Scratch) -> None:
    """Each has its owner and migrator; who comes first makes the journal, and lets the other in."""
    assert scratch.pool
    scratch.databases["other"] = scratch.database_name("main")
    scratch.describe("main", "other")
    scratch.migration("0001_a", "CREATE TABLE main.a ();", "DROP TABLE main.a;")
    scratch.migration("0001_a", "CREATE TABLE other.a ();", "DROP TABLE other.a;", service="other")
    with scratch.connect() as connection:
        for role in ("scratch_other_owner", "scratch_other_migrator", "scratch_main_owner"):
            connection.execute(f'GRANT CONNECT, CREATE ON DATABASE "{scratch.database_name("main")}" TO {role}'.encode())

    scratch.run("migrate", code=0)
    scratch.rollback("other")

    assert scratch.states("main") == {"0001_a": "applied"}
    assert scratch.states("other") == {"0001_a": "pending"}

    with scratch.connect() as connection:
        connection.execute("DROP TABLE dbkit.definition; DELETE FROM dbkit.version WHERE version = 3")
    with pytest.raises(DbkitError, match="scratch_main_migrator, whose it is, has to bring it up to version"):
        scratch.migrate("other")
    scratch.migration("0002_b", "SELECT 1;")
    scratch.migrate("main")
    scratch.migrate("other")

    assert scratch.states("other") == {"0001_a": "applied"}
    del scratch.databases["other"]
