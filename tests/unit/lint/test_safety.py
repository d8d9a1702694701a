"""Squawk's findings, at the right place, without what only dbkit can know to be harmless."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from lint_project import Files

from dbkit.lint import Finding


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "project")


def migration(files: Files, name: str, text: str) -> None:
    files.put(f"migrations/main/{name}.sql.j2", text)
    files.put(f"migrations/main/{name}.rollback.sql", "SELECT 1;\n")


def safety(files: Files, since: str | None = None) -> list[Finding]:
    return [finding for finding in files.lint(since=since).findings if finding.layer == "safety"]


def test_a_finding_stands_at_its_line_and_character(files: Files) -> None:
    migration(files, "0001_a", "-- größer\nSELECT 'ü'; ALTER TABLE {{ schema }}.t DROP COLUMN a;\n")
    (finding,) = safety(files)
    assert (finding.rule, finding.line, finding.source[finding.column - 1 :][:11]) == ("ban-drop-column", 2, "DROP COLUMN")
    assert finding.url == "https://squawkhq.com/docs/ban-drop-column"


def test_timeouts_are_dbkits_business(files: Files) -> None:
    migration(files, "0001_a", "CREATE TABLE {{ schema }}.t (a integer);\n")
    assert safety(files) == []


@pytest.mark.parametrize("kind", ["TABLE", "MATERIALIZED VIEW"])
def test_a_lock_on_what_the_migration_creates_is_none(files: Files, kind: str) -> None:
    migration(
        files, "0001_a", f"CREATE {kind} {{{{ schema }}}}.t AS SELECT 1 AS a;\nCREATE UNIQUE INDEX t_a_key ON {{{{ schema }}}}.t (a);\n"
    )
    assert safety(files) == []


def test_a_lock_on_a_table_of_an_earlier_migration_is_one(files: Files) -> None:
    migration(files, "0001_a", "CREATE TABLE {{ schema }}.t (a integer);\n")
    migration(files, "0002_b", "CREATE INDEX t_a_idx ON {{ schema }}.t (a);\n")
    assert [(finding.rule, finding.path) for finding in safety(files)] == [
        ("require-concurrent-index-creation", "migrations/main/0002_b.sql.j2"),
    ]


def test_migrations_that_changed_together_are_one_release(files: Files) -> None:
    for command in (["init", "-q"], ["-c", "user.name=a", "-c", "user.email=b", "commit", "-q", "--allow-empty", "-m", "start"]):
        subprocess.run(["git", "-C", str(files.root), *command], check=True)
    migration(files, "0001_a", "CREATE TABLE {{ schema }}.t (a integer);\n")
    migration(files, "0002_b", "CREATE INDEX t_a_idx ON {{ schema }}.t (a);\n")
    assert len(safety(files)) == 1
    assert safety(files, since="HEAD") == []


def test_outside_of_a_transaction_a_migration_must_bear_to_be_run_again(files: Files) -> None:
    migration(files, "0001_a", "-- transactional: false\nCREATE INDEX CONCURRENTLY t_a_idx ON {{ schema }}.t (a);\n")
    assert [finding.rule for finding in safety(files)] == ["prefer-robust-stmts"]


def test_squawks_own_comment_suppresses_nothing(files: Files) -> None:
    migration(files, "0001_a", "-- squawk-ignore ban-drop-column\nALTER TABLE {{ schema }}.t DROP COLUMN a;\n")
    assert [finding.rule for finding in safety(files)] == ["ban-drop-column"]
