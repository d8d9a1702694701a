"""A suppression keeps its finding quiet; without a reason, or without a finding, it is one itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from lint_project import Files

TABLE = "CREATE TABLE app.t (a integer NOT NULL);\nCOMMENT ON TABLE app.t IS 'T.';\n"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    files = Files(tmp_path / "project")
    files.put("migrations/main/0001_t.rollback.sql", "DROP TABLE app.t;\n")
    return files


def rules_found(files: Files) -> list[tuple[str, int]]:
    return [(finding.rule, finding.line) for finding in files.lint().findings]


def test_without_one_the_finding_is_there(files: Files) -> None:
    files.put("migrations/main/0001_t.sql", TABLE)
    assert rules_found(files) == [("missing_primary_key", 1)]


@pytest.mark.parametrize(
    "text",
    [
        f"-- nolint: missing_primary_key append-only, nobody names a row\n{TABLE}",
        f"-- nolint: missing_primary_key append-only, nobody names a row\n-- What happened.\n{TABLE}",
        TABLE.replace(";\n", "; -- nolint: missing_primary_key append-only\n", 1),
    ],
)
def test_a_reason_on_the_line_or_before_it_keeps_it_quiet(files: Files, text: str) -> None:
    files.put("migrations/main/0001_t.sql", text)
    assert rules_found(files) == []


def test_without_a_reason_it_is_a_finding_beside_the_other(files: Files) -> None:
    files.put("migrations/main/0001_t.sql", f"-- nolint: missing_primary_key\n{TABLE}")
    assert rules_found(files) == [("nolint", 1), ("missing_primary_key", 2)]


def test_one_that_suppresses_nothing_is_a_finding(files: Files) -> None:
    text = f"-- nolint: missing_primary_key append-only\n-- nolint: json_for_jsonb no json here\n{TABLE}"
    files.put("migrations/main/0001_t.sql", text)
    assert rules_found(files) == [("nolint", 2)]


def test_a_line_further_up_is_too_far(files: Files) -> None:
    files.put("migrations/main/0001_t.sql", f"-- nolint: missing_primary_key append-only\nSELECT 1;\n{TABLE}")
    assert rules_found(files) == [("nolint", 1), ("missing_primary_key", 3)]
