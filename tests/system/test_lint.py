"""`dbkit lint`, as it is run: what it prints, how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

SOURCES = Path(__file__).parents[2] / "src"
MANIFEST = """
[project]
name = "shop"
[services.main]
schema = "app"
shared = []
[lint]
fail_on = "{fail_on}"
"""
MIGRATION = """\
CREATE TABLE {{ schema }}.payments (
    id bigint GENERATED ALWAYS AS IDENTITY,
    amount double precision NOT NULL,
    CONSTRAINT payments_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE {{ schema }}.payments IS 'Payments.';
"""


class Program:
    """A project, and the program run in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.put("dbkit.toml", MANIFEST.format(fail_on="warning"))
        self.put("migrations/main/0001_create_payments.sql.j2", MIGRATION)
        self.put("migrations/main/0001_create_payments.rollback.sql.j2", "DROP TABLE {{ schema }}.payments;\n")

    def put(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PYTHONPATH": str(SOURCES), "PATH": os.environ["PATH"], "NO_COLOR": "1", "HOME": str(self.root)}
        command = [sys.executable, "-m", "dbkit", *arguments]
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_text_shows_the_place_the_rule_and_the_line(program: Program) -> None:
    done = program.run("lint")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("migrations/main/0001_create_payments.sql.j2:3:12: error float_for_money: payments.amount is")
    assert lines[1:3] == ["    3 |     amount double precision NOT NULL,", "      |            ^"]
    assert lines[3].startswith("    help: 0.1 + 0.2")
    assert lines[-1] == "2 files: 1 error"


def test_the_second_run_says_the_same_from_the_cache(program: Program) -> None:
    first = program.run("lint")
    assert list((program.root / ".dbkit" / "lint-cache").glob("run-*.json"))
    second = program.run("lint")
    assert (second.stdout, second.returncode) == (first.stdout, first.returncode)


def test_the_formats_for_machines_are_documents_and_nothing_else(program: Program) -> None:
    for arguments in (["lint", "--format", "json"], ["--format", "json", "lint"]):
        assert json.loads(program.run(*arguments).stdout)["counts"]["error"] == 1
    assert json.loads(program.run("lint", "--format", "sarif").stdout)["version"] == "2.1.0"
    assert ET.fromstring(program.run("lint", "--format", "junit").stdout).get("failures") == "1"  # noqa: S314
    annotation = program.run("--format", "json", "lint", "--format", "github").stdout
    assert annotation.startswith("::error file=migrations/main/0001_create_payments.sql.j2,line=3,col=12,title=float_for_money::")


def test_nothing_as_bad_as_fail_on_ends_well(program: Program) -> None:
    program.put("migrations/main/0001_create_payments.sql.j2", MIGRATION.replace("double precision", "numeric"))
    assert program.run("lint").stdout == "2 files: nothing found\n"
    program.put("schemas/main/f.sql", "CREATE FUNCTION app.f() RETURNS integer LANGUAGE sql STABLE RETURN 1;\n")
    done = program.run("lint")
    assert (done.returncode, "info public_can_execute" in done.stdout) == (0, True)
    program.put("dbkit.toml", MANIFEST.format(fail_on="info"))
    assert program.run("lint").returncode == 1


def test_fix_mends_the_files_and_reports_what_is_left(program: Program) -> None:
    path = program.put("schemas/main/v.sql", "CREATE VIEW app.v AS\nselect  p.id\nFROM app.payments AS p;\n")
    done = program.run("lint", "--fix", "schemas/main")
    assert "schemas/main/v.sql: 1 line mended" in done.stderr
    assert (done.returncode, done.stdout) == (0, "1 file: nothing found\n")
    assert path.read_text(encoding="utf-8") == "CREATE VIEW app.v AS\nSELECT p.id\nFROM app.payments AS p;\n"


def test_a_word_that_is_nothing_is_a_usage_error(program: Program) -> None:
    done = program.run("lint", "mian")
    assert done.returncode == 2
    assert "did you mean 'main'?" in done.stderr


def test_many_files_are_looked_at_in_parallel(program: Program) -> None:
    for number in range(6):
        program.put(f"schemas/main/v{number}.sql", f"CREATE VIEW app.v{number} AS\nselect {number} AS n;\n")
    done = program.run("lint", "--format", "json")
    found = [finding["path"] for finding in json.loads(done.stdout)["findings"] if finding["rule"] == "CP01"]
    assert found == [f"schemas/main/v{number}.sql" for number in range(6)]
