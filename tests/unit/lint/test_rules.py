"""Every rule finds its bad example, and leaves its good one alone."""

from __future__ import annotations

import pytest

from dbkit.lint.finding import LEVELS, Hit
from dbkit.lint.lua.program import Lua
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule, rules


def hits(rule: Rule, text: str) -> list[Hit]:
    if rule.lua:
        return list(rule.lua(Lua(text)))
    sql = Sql(text, kind=rule.kinds[0], has_way_back=False)
    if rule.script:
        return list(rule.script(sql))
    assert rule.service is not None
    return [hit for _, hit in rule.service([sql])]


@pytest.mark.parametrize("name", rules())
def test_a_rule_finds_its_bad_example(name: str) -> None:
    rule = rules()[name]
    found = hits(rule, rule.bad)
    assert found
    lines = rule.bad.split("\n")
    for hit in found:
        assert 1 <= hit.line <= len(lines)
        assert 1 <= hit.column <= len(lines[hit.line - 1]) + 1


@pytest.mark.parametrize("name", rules())
def test_a_rule_leaves_its_good_example_alone(name: str) -> None:
    assert hits(rules()[name], rules()[name].good) == []


@pytest.mark.parametrize("name", rules())
def test_a_rule_says_what_it_is_about(name: str) -> None:
    rule = rules()[name]
    assert rule.level in LEVELS
    assert rule.summary.endswith(".")
    assert rule.why.endswith(".")
    assert [rule.script, rule.service, rule.lua].count(None) == 2


def found_by(name: str, text: str, **attributes: object) -> list[str]:
    sql = Sql(text, **attributes)  # type: ignore[arg-type]
    rule = rules()[name]
    if rule.script:
        return [hit.message for hit in rule.script(sql)]
    assert rule.service is not None
    return [hit.message for _, hit in rule.service([sql])]


def test_a_definer_whose_path_lacks_pg_temp_is_found() -> None:
    text = "CREATE FUNCTION app.f() RETURNS int LANGUAGE sql STABLE SECURITY DEFINER SET search_path = app AS 'SELECT 1';"
    assert found_by("definer_without_search_path", text) == ["f() is SECURITY DEFINER, and its search_path does not end in pg_temp"]


def test_an_invoker_that_public_can_execute_is_information() -> None:
    rule = rules()["public_can_execute"]
    sql = Sql("CREATE FUNCTION app.f() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';")
    assert rule.service is not None
    assert [hit.level for _, hit in rule.service([sql])] == ["info"]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER DEFAULT PRIVILEGES IN SCHEMA app REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;",
        "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA app FROM PUBLIC;",
    ],
)
def test_one_statement_may_take_every_function_from_public(statement: str) -> None:
    text = "CREATE FUNCTION app.f() RETURNS int LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT 1';"
    assert found_by("public_can_execute", f"{text}{statement}") == []


def test_a_handler_that_keeps_the_sqlstate_swallows_nothing() -> None:
    body = "DECLARE v text; BEGIN PERFORM 1; EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS v = MESSAGE_TEXT; END"
    assert found_by("swallowed_exception", f"DO $$ {body} $$;") == []
    assert found_by("swallowed_exception", "DO $$ BEGIN PERFORM 1; EXCEPTION WHEN OTHERS THEN NULL; END $$;") != []


def test_the_line_of_a_swallowing_handler_is_the_handlers() -> None:
    text = "\n\nDO $$\nBEGIN\n    BEGIN\n        PERFORM 1;\n    EXCEPTION\n        WHEN OTHERS THEN NULL;\n    END;\nEND $$;"
    rule = rules()["swallowed_exception"]
    assert [(hit.line, hit.column) for hit in hits(rule, text)] == [(8, 9)]


def test_a_time_call_in_a_comment_or_a_string_of_an_immutable_function_is_none() -> None:
    text = "CREATE FUNCTION app.f() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN /* now() */ RETURN 'now()'; END $$;"
    assert found_by("now_in_immutable", text) == []


def test_a_foreign_key_is_looked_for_in_all_migrations_together() -> None:
    first = Sql("CREATE TABLE app.a (id bigint PRIMARY KEY); CREATE TABLE app.b (a_id bigint REFERENCES app.a (id));")
    second = Sql("CREATE INDEX b_a_id_idx ON app.b (a_id);")
    third = Sql("DROP INDEX app.b_a_id_idx;")
    rule = rules()["foreign_key_without_index"]
    assert rule.service is not None
    assert len(list(rule.service([first]))) == 1
    assert list(rule.service([first, second])) == []
    assert [sql for sql, _ in rule.service([first, second, third])] == [first]


def test_a_foreign_key_of_several_columns_needs_them_first_in_any_order() -> None:
    table = "CREATE TABLE app.b (x int, y int, z int, FOREIGN KEY (x, y) REFERENCES app.a (x, y));"
    assert found_by("foreign_key_without_index", f"{table} CREATE INDEX i ON app.b (y, x, z);") == []
    assert found_by("foreign_key_without_index", f"{table} CREATE INDEX i ON app.b (x, z, y);") != []


def test_a_primary_key_that_a_later_migration_drops_is_missing() -> None:
    text = "CREATE TABLE app.t (a int, CONSTRAINT t_pkey PRIMARY KEY (a)); ALTER TABLE app.t DROP CONSTRAINT t_pkey;"
    assert found_by("missing_primary_key", text) == ["the table t has no primary key"]


def test_a_renamed_table_and_column_keep_their_indexes() -> None:
    text = """
    CREATE TABLE app.a (id bigint PRIMARY KEY);
    CREATE TABLE app.b (a_id bigint REFERENCES app.a (id));
    CREATE INDEX b_a_id_idx ON app.b (a_id);
    ALTER TABLE app.b RENAME COLUMN a_id TO the_id;
    ALTER TABLE app.b RENAME TO c;
    """
    assert found_by("foreign_key_without_index", text) == []


def test_of_two_equal_indexes_the_later_is_in_excess() -> None:
    text = "CREATE TABLE app.t (a int); CREATE INDEX one ON app.t (a); CREATE INDEX two ON app.t (a); CREATE INDEX three ON app.t (a DESC);"
    assert found_by("duplicate_index", text) == ["two is not needed: one begins with the same columns"]


def test_what_migrate_refuses_depends_on_the_header() -> None:
    text = "CREATE INDEX CONCURRENTLY t_a_idx ON app.t (a);"
    assert len(found_by("refused_by_migrate", text)) == 1
    assert found_by("refused_by_migrate", text, transactional=False) == []
