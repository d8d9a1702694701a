"""A server newer than our parser: what does not parse is the server's to judge, but not where a transaction ends."""

from __future__ import annotations

import pytest

from dbkit.errors import ConfigurationError, DbkitError
from dbkit.source import statements
from dbkit.source.lexer import ScriptSyntaxError
from dbkit.source.statements import parse, parser_major
from scratch import Scratch

# PostgreSQL before 16 takes it for a column, our parser for the function of that name
SYSTEM_USER = "CREATE TABLE main.a (system_user text);\nINSERT INTO main.a (system_user) VALUES ('me');"


@pytest.fixture
def newer(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> Scratch:
    """A project whose server's major is above the parser's, as far as dbkit knows."""
    monkeypatch.setattr(statements, "parser_major", lambda: 9)
    return scratch


def test_the_parser_says_which_grammar_it_knows() -> None:
    assert parser_major() == 18


def test_text_that_only_the_server_knows_is_sent(newer: Scratch) -> None:
    with pytest.raises(ScriptSyntaxError):
        parse(SYSTEM_USER)
    newer.migration("0001_a", f"{SYSTEM_USER}\nCREATE TABLE main.b ();", "DROP TABLE main.b; DROP TABLE main.a;")
    with newer.connect() as connection:
        knows = connection.info.server_version < 160000

    if not knows:
        with pytest.raises(DbkitError) as caught:
            newer.migrate()
        assert (caught.value.sqlstate, caught.value.where) == ("42601", f"{newer.root}/migrations/main/0001_a.sql:1")
        assert newer.tables() == set()
        return
    newer.migrate()
    assert newer.value("SELECT system_user FROM main.a") == "me"
    newer.migration("0001_a", f"-- a comment\n{SYSTEM_USER}\nCREATE TABLE main.b ();", "DROP TABLE main.b; DROP TABLE main.a;")
    assert newer.migrate().cosmetic == ("main/0001_a",)
    newer.rollback()
    assert newer.tables() == set()


def test_an_error_of_the_server_in_such_a_text_names_its_line(newer: Scratch) -> None:
    newer.migration("0001_a", "CREATE TABLE main.a ();\n\nSELECT ';', 1 FROBNICATE\n  main.a;\n")

    with pytest.raises(DbkitError) as caught:
        newer.migrate()

    assert (caught.value.sqlstate, caught.value.where) == ("42601", f"{newer.root}/migrations/main/0001_a.sql:4")
    assert newer.tables() == set()
    assert newer.states() == {"0001_a": "failed"}


@pytest.mark.parametrize(
    ("script", "line", "said"),
    [
        ("FROBNICATE main.a;\ncommit;", 2, "COMMIT in a migration"),
        ("FROBNICATE main.a;\n/* so */ Commit AND frobnicate;", 2, "COMMIT in a migration"),
        ("SELECT 1;\n\nSTART TRANSACTION FROBNICATE;", 3, "START in a migration"),
        ("SELECT 1;\nREPACK (CONCURRENTLY) main.a;", 2, "REPACK … CONCURRENTLY can't run inside a transaction"),
        ("FROBNICATE main.a;\nVACUUM main.a;", 2, "VACUUM can't run inside a transaction"),
        ("FROBNICATE main.a;\n\\echo a", 2, r"psql's command \\echo"),
        ("FROBNICATE main.a;\nSELECT 'a", 2, "unterminated quoted string"),
    ],
)
def test_what_would_end_the_transaction_is_found_by_the_lexer(newer: Scratch, script: str, line: int, said: str) -> None:
    newer.migration("0001_a", script)

    with pytest.raises(ConfigurationError, match=said) as caught:
        newer.migrate()

    assert caught.value.where == f"{newer.root}/migrations/main/0001_a.sql:{line}"
    assert newer.value("SELECT to_regnamespace('main') IS NULL")


def test_words_in_quotes_and_comments_are_nothing_to_the_lexer(newer: Scratch) -> None:
    newer.migration("0001_a", "FROBNICATE 'CONCURRENTLY' /* concurrently */ \"concurrently\" -- concurrently\n;")

    with pytest.raises(DbkitError) as caught:
        newer.migrate()

    assert caught.value.sqlstate == "42601"


def test_without_a_transaction_it_runs_statement_by_statement_and_asks_what_became_of_it(newer: Scratch) -> None:
    newer.migration("0001_a", "-- transactional: false\nCREATE TABLE main.a ();\nREPACK (CONCURRENTLY) main.a;")

    with pytest.raises(DbkitError, match="statement 2 of 2") as caught:
        newer.migrate()
    assert caught.value.sqlstate == "42601"
    assert newer.tables() == {"a"}
    with pytest.raises(DbkitError, match="REPACK") as caught:
        newer.migrate()
    assert "dbkit repair" in str(caught.value.hint)


def test_where_the_parser_is_of_the_servers_age_a_syntax_error_is_one_before_anything_runs(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a ();")
    scratch.migration("0002_b", "FROBNICATE main.a;")

    with pytest.raises(ConfigurationError, match="syntax error"):
        scratch.migrate()

    assert scratch.value("SELECT to_regnamespace('main') IS NULL")
