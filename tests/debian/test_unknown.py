"""A target that has what the throw-away server has not: extensions, ICU, lz4, a tablespace, an older major."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dbkit.postgres import programs, throwaway
from dbkit.project.manifest import Environment
from scratch import Pool, Scratch

if TYPE_CHECKING:
    from dbkit.postgres.server import Server

DEBIAN = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="module")
def debian() -> Iterator[Server]:
    """Debian's PostgreSQL 15, with its contrib modules."""
    with throwaway.throwaway_server(Environment(server="embedded", postgres_bin=str(DEBIAN))) as server:
        yield server


@pytest.fixture
def same(debian: Server, tmp_path: Path) -> Iterator[Scratch]:
    """A project on that server, whose programs are there to rebuild on."""
    project = Scratch(tmp_path / "same", Pool(debian))
    project.root.mkdir()
    project.describe()
    yield project
    project.leave()


@pytest.fixture
def old(debian: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scratch]:
    """A project on that server, where dbkit has none but the embedded ones to rebuild on."""
    monkeypatch.setattr(programs, "INSTALLED", ())
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    project = Scratch(tmp_path / "old", Pool(debian))
    project.root.mkdir()
    project.describe()
    yield project
    project.leave()


def answer(project: Scratch, *options: str, code: int) -> dict[str, Any]:
    found: dict[str, Any] = project.call("--format", "json", "verify", "main", *options, code=code).document["services"][0]
    return found


def test_what_the_rebuild_can_not_have_is_unknown_and_the_rest_is_compared(old: Scratch) -> None:
    old.migration(
        "0001_a",
        """
        CREATE EXTENSION citext;
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
        CREATE EXTENSION hstore;
        CREATE TABLE main.users (
            id bigint CONSTRAINT users_pkey PRIMARY KEY,
            email public.citext NOT NULL CONSTRAINT users_email_key UNIQUE,
            name text COLLATE "de-x-icu",
            bio text COMPRESSION lz4,
            more public.hstore DEFAULT 'a=>1'
        );
        CREATE INDEX users_name_idx ON main.users USING gin (name public.gin_trgm_ops);
        CREATE INDEX users_more_idx ON main.users USING gin (more);
        CREATE VIEW main.alike AS SELECT id, public.similarity(name, 'Ann') AS score FROM main.users;
        CREATE COLLATION main.german (PROVIDER = icu, LOCALE = 'de-DE');
        CREATE TABLE main.words (word text COLLATE main.german CONSTRAINT words_pkey PRIMARY KEY);
        """,
        "SELECT 1;",
    )
    old.migration("0002_b", "COMMENT ON INDEX main.users_name_idx IS 'for the search';\nALTER TABLE main.users ADD COLUMN born date;")
    old.routine("f", "CREATE OR REPLACE FUNCTION main.f() RETURNS bigint LANGUAGE sql STABLE RETURN (SELECT count(*) FROM main.words);")
    old.migrate()

    found = answer(old, code=0)
    unknown = {entry["object"]: entry["why"] for entry in found["unknown"]}
    assert found["problems"] == []
    assert (found["target"], found["rebuilt_on"]) == (15, 16)
    assert {"main.users.users_name_idx", "main.users.users_more_idx", "main.german"} <= set(unknown)
    assert "gin_trgm_ops" in unknown["main.users.users_name_idx"]
    assert not {"main.users", "main.words", "main.f()", "main.users.id", "main.users.born"} & set(unknown)
    answer(old, "--strict", code=1)
    told = old.call("verify", code=0)
    assert "unknown" in told.out
    assert "15" in told.err
    assert "16" in told.err

    old.value("ALTER TABLE main.users ALTER email DROP NOT NULL; DROP INDEX main.users_name_idx; ALTER TABLE main.words ADD extra integer")
    found = answer(old, code=1)
    assert {p["object"] for p in found["problems"]} == {"main.users.email", "main.words.extra"}
    assert "main.users.users_name_idx" in {entry["object"] for entry in found["unknown"]}


def test_an_extension_that_an_administrator_made_is_stood_in_for_as_well(old: Scratch) -> None:
    old.value("CREATE SCHEMA extra; GRANT USAGE ON SCHEMA extra TO PUBLIC; CREATE EXTENSION hstore SCHEMA extra")
    old.value("CREATE EXTENSION citext")
    old.migration(
        "0001_a",
        "CREATE TABLE main.a (more extra.hstore, email public.citext, low text GENERATED ALWAYS AS (lower(email::text)) STORED);",
        "SELECT 1;",
    )
    old.migrate()

    assert answer(old, code=0)["unknown"] == []

    old.value("ALTER TABLE main.a DROP low; ALTER TABLE main.a ALTER email TYPE text")
    assert [p["object"] for p in answer(old, code=1)["problems"]] == ["main.a.email", "main.a.low"]


FILES = """
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw;
CREATE FOREIGN TABLE main.words (word text) SERVER elsewhere;
CREATE TABLE main.a (i integer);
"""


@pytest.mark.parametrize("create", ["IF NOT EXISTS postgres_fdw SCHEMA extra", "postgres_fdw SCHEMA main"])
def test_an_extension_that_only_a_superuser_can_make_is_made_by_one(same: Scratch, create: str) -> None:
    """An administrator made it before the migration ran, or the migration is older than the role that it would run as today."""
    same.migration("0001_a", f"CREATE EXTENSION {create};{FILES}", "SELECT 1;")
    grant = "GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO scratch_main_owner"
    if "IF NOT EXISTS" in create:
        same.value(f"CREATE SCHEMA extra; CREATE EXTENSION postgres_fdw SCHEMA extra; {grant}")
        same.migrate()
    else:
        same.value(
            f"CREATE SCHEMA main AUTHORIZATION scratch_main_owner; CREATE EXTENSION postgres_fdw SCHEMA main; {grant};"
            "SET ROLE scratch_main_owner; GRANT USAGE ON SCHEMA main TO scratch_main_app, scratch_main_ops, scratch_main_readonly;" + FILES
        )
        same.call("baseline", "main", "--to", "0001_a", "--reason", "it is older than dbkit", code=0)

    found = answer(same, code=0)
    assert (found["target"], found["rebuilt_on"], found["problems"], found["unknown"]) == (15, 15, [], [])

    same.value("ALTER TABLE main.a ADD extra integer")
    assert [p["object"] for p in answer(same, code=1)["problems"]] == ["main.a.extra"]


def test_what_needs_something_unknown_is_unknown(old: Scratch) -> None:
    old.migration(
        "0001_a",
        """
        CREATE EXTENSION cube;
        CREATE TABLE main.places (id bigint, at public.cube, CONSTRAINT places_at_excl EXCLUDE USING gist (at WITH OPERATOR(public.&&)));
        CREATE VIEW main.near AS SELECT id FROM main.places;
        """,
        "SELECT 1;",
    )
    old.migrate()

    unknown = {entry["object"]: entry["why"] for entry in answer(old, code=0)["unknown"]}

    assert set(unknown) == {"main.places", "main.near"}
    assert unknown["main.near"]


def test_a_tablespace_is_stood_in_for(old: Scratch) -> None:
    with old.connect() as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        connection.execute("CREATE TABLESPACE fast LOCATION ''")
        connection.execute("GRANT CREATE ON TABLESPACE fast TO scratch_main_owner")
    try:
        old.migration("0001_a", "CREATE TABLE main.a (i integer) TABLESPACE fast;", "SELECT 1;")
        old.migrate()
        assert answer(old, code=0)["unknown"] == []
        old.value("ALTER TABLE main.a SET TABLESPACE pg_default")
        assert "SET TABLESPACE fast" in answer(old, code=1)["problems"][0]["repair"]
    finally:
        old.value("DROP TABLE IF EXISTS main.a")
        old.value("DROP TABLESPACE fast")


@pytest.mark.parametrize("service", ["product", "inventory", "order", "payment"])
def test_the_shop_on_15_is_no_drift_from_its_rebuild_on_16_or_18(
    debian: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    from dbkit.migrate.run import migrate
    from dbkit.postgres.connect import Database
    from dbkit.postgres.journal import Run
    from dbkit.postgres.roles import prepare_cluster
    from dbkit.project.manifest import find_project
    from dbkit.project.target import targets
    from dbkit.verify import verify

    monkeypatch.setattr(programs, "INSTALLED", ())
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    Scratch(tmp_path, None).run("init", str(tmp_path / "shop"), "--template", "shop", code=0, cwd=tmp_path)
    project = find_project(tmp_path / "shop")
    prepare_cluster(debian.conninfo("postgres"), project, [service])
    database = Database(targets(project, None, (service,))[0], debian)
    migrate(database, Run("here", None), lambda _event: None)
    for major in (16, 18):
        monkeypatch.setattr(throwaway, "EMBEDDED", (major,))
        verdict = verify(database, lambda _text: None)
        assert (verdict.target, verdict.rebuilt_on) == (15, major)
        assert verdict.differences == ()
        assert verdict.unknown == ()
