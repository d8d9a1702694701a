"""Scripts that need no parse tree."""

from __future__ import annotations

import postgast
import pytest

from dbkit.migrate.check import check
from dbkit.project.manifest import find_project
from dbkit.routines.obstacles import takes_away
from dbkit.source.files import load_migrations
from dbkit.source.objections import objections
from dbkit.source.plain import plain
from dbkit.source.statements import parse

FUNCTION = "CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS $$ SELECT 1; $$"
PLAIN = [
    "CREATE TABLE a ()",
    f"-- what for\n{FUNCTION};;\nCOMMENT ON FUNCTION f() IS 'it''s; one';",
    "create or replace view v as select 1; create sequence s;",
    "CREATE FUNCTION f() RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END; -- so",
]
OTHERS = [
    "",
    "-- nothing\n",
    "CREATE TABLE a (;",
    "CREATE TABLE a (); COMMIT",
    "CREATE TABLE a (); CREATE INDEX CONCURRENTLY i ON a (b);",
    "CREATE TABLE a (); ALTER TABLE a DROP COLUMN b;",
    "CREATE TABLE a (); DROP INDEX CONCURRENTLY i;",
    "COMMENT ON TABLE a IS ''; /* c */ VACUUM a;",
    "CREATE SCHEMA main;",
    "CREATE TABLESPACE t LOCATION '/t';",
    "CREATE TABLE a (); \\echo a\n",
    "CREATE TABLE a (); COPY a FROM stdin;\n\\.\n",
    "CREATE TABLE a (); DO $$ BEGIN COMMIT; END $$;",
]


@pytest.mark.parametrize("script", PLAIN)
@pytest.mark.parametrize("down", [False, True])
def test_as_many_statements_are_counted_as_the_parser_finds(script: str, *, down: bool) -> None:
    assert plain(script, down=down) == len(parse(script))


@pytest.mark.parametrize("script", OTHERS)
@pytest.mark.parametrize("down", [False, True])
def test_what_a_check_may_object_to_or_that_does_not_parse_goes_the_long_way(script: str, *, down: bool) -> None:
    assert plain(script, down=down) == 0


def test_what_is_dropped_is_plain_in_a_rollback_alone() -> None:
    """A migration's drop asks for the routines that stand in its way."""
    assert plain("DROP TABLE a; DROP FUNCTION f();", down=True) == 2
    assert plain("DROP TABLE a;", down=False) == 0


def test_no_statement_of_the_shop_that_is_plain_has_an_objection_or_an_obstacle() -> None:
    project = find_project(None)
    found = 0
    for service in ("product", "order", "payment", "inventory"):
        for migration in load_migrations(project, service):
            for statement in parse(migration.script.text):
                if plain(statement.text, down=False):
                    found += 1
                    assert not takes_away(statement)
                    assert not objections([statement], schema=service, transactional=True, allow=frozenset())
            assert check(migration, "up", service).count == len(parse(migration.script.text))
    assert found > 50


def test_the_bindings_and_the_package_are_of_the_same_library() -> None:
    """What one of them parses, the other does."""
    assert plain("CREATE TABLE a (n integer GENERATED ALWAYS AS (1) VIRTUAL);", down=False) == _parses()


def _parses() -> int:
    try:
        return len(postgast.parse("CREATE TABLE a (n integer GENERATED ALWAYS AS (1) VIRTUAL);").stmts)
    except postgast.PgQueryError:
        return 0
