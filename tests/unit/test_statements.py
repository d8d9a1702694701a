"""What a script says: its statements, their lines, and what no migration may hold."""

from __future__ import annotations

import pytest

from dbkit.source.lexer import ScriptSyntaxError
from dbkit.source.objections import Objection, objections
from dbkit.source.statements import excerpt, parse, strip_restrict

NONE: frozenset[str] = frozenset()


def objected(script: str, *, transactional: bool = True, allow: frozenset[str] = NONE) -> list[Objection]:
    return objections(parse(script), schema="shop", transactional=transactional, allow=allow)


def test_a_statement_knows_its_line_and_text() -> None:
    script = "-- a comment\n\n/* another\n one */ SELECT 1;\n\nCREATE TABLE t (\n    i integer\n);\n-- the end\n"

    found = [(statement.line, statement.text) for statement in parse(script)]

    assert found == [(4, "SELECT 1"), (6, "CREATE TABLE t (\n    i integer\n)")]


@pytest.mark.parametrize(
    ("comment", "line"),
    [
        ("/* a /* nested */ comment */ ", 1),
        ("/* /* /* */ */ */\n", 2),
        ("-- it's /* no comment\n", 2),
        (";;\n;", 2),
        ("/* -- */ -- /*\n", 2),
    ],
)
def test_comments_before_a_statement_are_no_part_of_it(comment: str, line: int) -> None:
    (statement,) = parse(f"{comment}DROP TABLE t;")

    assert (statement.line, statement.text) == (line, "DROP TABLE t")


def test_lines_count_characters_of_several_bytes_rightly() -> None:
    script = "SELECT 'größe — 大きさ';\nSELECT 2;\n"

    assert [(s.line, s.text) for s in parse(script)] == [(1, "SELECT 'größe — 大きさ'"), (2, "SELECT 2")]


SPLIT = [
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; SELECT 2; $$; SELECT 3;", 2),
    ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 3;", 2),
    ("DO $a$ BEGIN PERFORM $b$;$b$; END $a$; SELECT ';';", 2),
    (r"SELECT E'\';', ';'; SELECT 2;", 2),
    ('SELECT 1 AS ";"; SELECT 2;', 2),
    ("SELECT 1 /* ; /* ; */ ; */; SELECT 2 -- ;", 2),
    ("CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2); SELECT 3;", 2),
    ("", 0),
    ("-- nothing\n;;", 0),
]


@pytest.mark.parametrize(("script", "number"), SPLIT)
def test_a_semicolon_ends_a_statement_only_where_it_does(script: str, number: int) -> None:
    assert len(parse(script)) == number


UNTERMINATED = ["SELECT 1;\nSELECT 'a;\n", "SELECT 1;\nDO $x$ BEGIN;\n", "SELECT 1;\n/* a\n", 'SELECT 1;\nSELECT "a;\n']


@pytest.mark.parametrize("script", UNTERMINATED)
def test_what_is_not_terminated_is_named_with_its_line(script: str) -> None:
    with pytest.raises(ScriptSyntaxError) as caught:
        parse(script)

    assert "unterminated" in caught.value.message
    assert caught.value.line == 2


def test_a_syntax_error_is_named_with_its_line() -> None:
    with pytest.raises(ScriptSyntaxError) as caught:
        parse("SELECT 1;\n\nCREATE TABEL t ();\n")

    assert caught.value.line == 3
    assert "TABEL" in caught.value.message


def test_a_command_of_psql_behind_a_statement_is_named() -> None:
    with pytest.raises(ScriptSyntaxError, match=r"psql's command \\gset"):
        parse("SELECT 1 AS x \\gset\n")


@pytest.mark.parametrize("command", ["\\i other.sql", "\\set x 1", "\\connect shop", "\\echo hello"])
def test_a_command_of_psql_is_named(command: str) -> None:
    with pytest.raises(ScriptSyntaxError) as caught:
        parse(f"SELECT 1;\n{command}\nSELECT 2;\n")

    assert command.split(maxsplit=1)[0] in caught.value.message
    assert caught.value.line == 2
    assert caught.value.hint is not None


def test_pg_dumps_restrict_is_taken_out_and_lines_stay() -> None:
    script = "\\restrict aB3\nSELECT 1;\n\\unrestrict aB3\n"

    assert parse(strip_restrict(script))[0].line == 2


OBJECTIONS = [
    ("BEGIN", "owns the transaction"),
    ("START TRANSACTION", "owns the transaction"),
    ("COMMIT", "owns the transaction"),
    ("COMMIT AND CHAIN", "owns the transaction"),
    ("END", "owns the transaction"),
    ("ROLLBACK", "owns the transaction"),
    ("ABORT", "owns the transaction"),
    ("SAVEPOINT a", "owns the transaction"),
    ("RELEASE a", "owns the transaction"),
    ("ROLLBACK TO a", "owns the transaction"),
    ("PREPARE TRANSACTION 'a'", "owns the transaction"),
    ("DO $$ BEGIN COMMIT; END $$", "COMMIT inside a DO block"),
    ("DO $$ BEGIN FOR i IN 1..3 LOOP IF i > 1 THEN ROLLBACK; END IF; END LOOP; END $$", "ROLLBACK inside a DO block"),
    ("CREATE ROLE r", "belongs to the whole cluster"),
    ("CREATE USER r", "belongs to the whole cluster"),
    ("ALTER ROLE r NOLOGIN", "belongs to the whole cluster"),
    ("ALTER ROLE r SET work_mem = '1GB'", "belongs to the whole cluster"),
    ("ALTER ROLE r RENAME TO s", "belongs to the whole cluster"),
    ("GRANT r TO s", "belongs to the whole cluster"),
    ("REVOKE r FROM s", "belongs to the whole cluster"),
    ("DROP ROLE r", "belongs to the whole cluster"),
    ("CREATE SCHEMA shop", "makes the service's schema"),
    ("CREATE SCHEMA IF NOT EXISTS shop", "makes the service's schema"),
    ("DROP SCHEMA shop CASCADE", "owns the service's schema"),
    ("DROP SCHEMA other, shop", "owns the service's schema"),
    ("ALTER SCHEMA shop RENAME TO store", "owns the service's schema"),
    ("SET standard_conforming_strings = off", "standard_conforming_strings"),
    ("SET TRANSACTION READ ONLY", "READ ONLY"),
    ("SET LOCAL transaction_read_only TO true", "READ ONLY"),
    ("SET ROLE NONE", "runs as the service's owner"),
    ("SET LOCAL role TO x", "runs as the service's owner"),
    ("RESET ROLE", "runs as the service's owner"),
    ("SET SESSION AUTHORIZATION DEFAULT", "runs as the service's owner"),
    ("RESET SESSION AUTHORIZATION", "runs as the service's owner"),
    ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY", "READ ONLY"),
    ("DISCARD ALL", "DISCARD ALL can't run"),
    ("CREATE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX CONCURRENTLY"),
    ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)", "CREATE INDEX CONCURRENTLY"),
    ("DROP INDEX CONCURRENTLY i", "DROP INDEX CONCURRENTLY"),
    ("REINDEX INDEX CONCURRENTLY i", "REINDEX CONCURRENTLY"),
    ("REINDEX (CONCURRENTLY) TABLE t", "REINDEX CONCURRENTLY"),
    ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", "DETACH PARTITION CONCURRENTLY"),
    ("VACUUM", "VACUUM"),
    ("REINDEX SCHEMA s", "REINDEX of a schema"),
    ("CLUSTER", "CLUSTER of every table"),
    ("ALTER DATABASE d SET TABLESPACE s", "SET TABLESPACE"),
    ("VACUUM (ANALYZE) t", "VACUUM"),
    ("CREATE DATABASE d", "CREATE DATABASE"),
    ("DROP DATABASE d", "DROP DATABASE"),
    ("ALTER SYSTEM SET work_mem = '1GB'", "ALTER SYSTEM"),
    ("CREATE TABLESPACE s LOCATION '/x'", "CREATE TABLESPACE"),
    ("DROP TABLESPACE s", "DROP TABLESPACE"),
    ("CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p", "CREATE SUBSCRIPTION"),
    ("DROP SUBSCRIPTION s", "DROP SUBSCRIPTION"),
]


@pytest.mark.parametrize(("statement", "said"), OBJECTIONS)
def test_what_no_migration_may_hold_is_refused_with_its_line(statement: str, said: str) -> None:
    (objection,) = objected(f"SELECT 1;\n-- here\n{statement};\nSELECT 2;\n")

    assert said in objection.message
    assert objection.line == 3
    assert objection.hint


FINE = [
    "DISCARD TEMP",
    "ALTER TYPE m ADD VALUE 'x'; INSERT INTO log VALUES ('x'); SELECT 'x'::text, 'y'::m",
    "ALTER TYPE m RENAME VALUE 'y' TO 'x'; SELECT 'x'::m",
    "CREATE SCHEMA other",
    "DROP SCHEMA other",
    "ALTER SCHEMA other RENAME TO shop2",
    "ALTER TABLE t RENAME COLUMN shop TO store",
    "DROP TABLE shop",
    "CREATE INDEX i ON t (a)",
    "DROP INDEX i",
    "REINDEX TABLE t",
    "ALTER TABLE t DETACH PARTITION p",
    "ANALYZE t",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY m",
    "SET LOCAL work_mem = '1GB'",
    "SET CONSTRAINTS ALL DEFERRED",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "DO $$ BEGIN RAISE NOTICE 'COMMIT;'; END $$",
    "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$",
    "GRANT SELECT ON t TO r",
    "COMMENT ON TABLE t IS 'COMMIT; BEGIN; VACUUM'",
]


@pytest.mark.parametrize("statement", FINE)
def test_what_a_migration_may_hold_passes(statement: str) -> None:
    assert objected(f"{statement};") == []


@pytest.mark.parametrize("statement", ["CREATE ROLE r", "ALTER ROLE r NOLOGIN", "DROP ROLE r", "ALTER ROLE r SET work_mem = '1GB'"])
def test_a_header_allows_roles(statement: str) -> None:
    assert objected(f"{statement};", allow=frozenset({"roles"})) == []


@pytest.mark.parametrize("statement", ["VACUUM t", "CREATE INDEX CONCURRENTLY i ON t (a)", "DO $$ BEGIN COMMIT; END $$"])
def test_a_script_without_transaction_may_hold_what_needs_none(statement: str) -> None:
    assert objected(f"{statement};", transactional=False) == []


@pytest.mark.parametrize("use", ["SELECT 'x'::shop.m", "ALTER TABLE t ADD e m DEFAULT 'x'::m", "INSERT INTO t VALUES (CAST('x' AS m))"])
def test_a_label_that_is_cast_where_it_was_added_is_refused(use: str) -> None:
    (objection,) = objected(f"ALTER TYPE shop.m ADD VALUE 'x';\n{use};\n")

    assert "the label 'x' of m, added in line 1" in objection.message
    assert objection.line == 2


def test_what_is_not_terminated_is_quoted_on_one_line() -> None:
    with pytest.raises(ScriptSyntaxError) as caught:
        parse("SELECT 1;\nSELECT 'a;\n\nSELECT 2;\n")

    assert caught.value.message == """unterminated quoted string at or near "'a;…\""""
    assert caught.value.hint


def test_every_objection_of_a_script_is_returned() -> None:
    assert [o.line for o in objected("COMMIT;\nSELECT 1;\nVACUUM;\nCREATE ROLE r;\n")] == [1, 3, 4]


def test_an_excerpt_numbers_its_lines_and_marks_one() -> None:
    assert excerpt("a\nb\nc\nd\ne\nf", 4) == "  2 | b\n  3 | c\n> 4 | d\n  5 | e\n  6 | f"


def test_an_excerpt_at_the_edges_is_shorter() -> None:
    assert excerpt("a\nb", 1, around=1) == "> 1 | a\n  2 | b"
