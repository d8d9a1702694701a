"""The manual can't lie."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import jsonschema
import pytest

from dbkit.lint.gather import gather
from dbkit.lint.rules import rules
from dbkit.project.manifest import Project, find_project
from dbkit.source.files import load_migrations
from dbkit.source.repeatables import load_routines

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("product", "cart", "order", "outbox", "payment", "inventory", "ops", "audit")


def commands() -> list[str]:
    """Return the names of all commands."""
    return sorted(path.stem.replace("_", "-") for path in (ROOT / "src/dbkit/commands").glob("[a-z]*.py"))


def test_generated_pages_are_what_the_program_says() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "ci/generate_docs.py"), "--check"], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", commands())
def test_every_command_stands_in_the_readme(command: str) -> None:
    rows = [line.split("|")[1] for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `")]

    assert any(re.search(rf"`{command}[ `]", row) for row in rows)


def test_the_readmes_numbers_are_the_projects() -> None:
    """As its first command prints them, on the embedded PostgreSQL 18."""
    readme, project = (ROOT / "README.md").read_text(), find_project(ROOT)
    services = [name for name, service in project.manifest.services.items() if service.engine == "postgres"]
    routines = {name: routines_of(project, name) for name in services}
    migrations = sum(len(load_migrations(project, name)) for name in services)
    shown = {name: int(count) for name, count in re.findall(r"^(\w+) +deployed +(\d+) routines", readme, re.MULTILINE)}

    assert {"product", "order"} <= shown.keys()
    assert shown == {name: routines[name] for name in shown}
    assert f"{migrations} migrations, {sum(routines.values())} routines, " in readme


def routines_of(project: Project, service: str) -> int:
    return sum(routine.suits(18) for routine in load_routines(project, service))


def test_every_dependency_earns_its_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    names = {re.split(r"[\[<>=;]", line)[0] for line in lines}
    page = (ROOT / "docs/dependencies.md").read_text()

    assert {name for name in names if name not in page} == set()


def test_every_dependency_is_pinned_to_a_range() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["test"]]

    assert [line for line in lines if not re.search(r">=[\d.]+,<[\d.]+", line)] == []


def test_every_error_code_of_the_shop_is_documented() -> None:
    raised = {code for path in (ROOT / "schemas").rglob("*.j2") for code in re.findall(r"ERRCODE\s*=\s*'(SH\d{3})'", path.read_text())}
    pages = "".join(path.read_text() for path in (ROOT / "docs/shop").glob("*.md"))

    assert raised
    assert {code for code in raised if not re.search(rf"^\|\s*`?{code}`?\s*\|", pages, re.MULTILINE)} == set()


def test_every_error_code_of_the_shop_is_tested() -> None:
    raised = {code for path in (ROOT / "schemas").rglob("*.j2") for code in re.findall(r"ERRCODE\s*=\s*'(SH\d{3})'", path.read_text())}
    tests = "".join(path.read_text() for path in (ROOT / "tests/shop").rglob("*") if path.suffix in {".py", ".sql"})

    assert {code for code in raised if code not in tests} == set()


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_a_page(service: str) -> None:
    assert (ROOT / "docs/shop" / f"{service}.md").read_text().startswith("# ")


def test_each_cost_of_spreading_rows_is_explained_and_there_in_the_shop() -> None:
    page = (ROOT / "docs/scale.md").read_text()
    costs = {name: rule for name, rule in rules().items() if rule.rule_set == "citus"}
    pieces = [piece for piece in gather(find_project(ROOT)).pieces if piece.kind in {"migration", "repeatable"}]
    found = set()
    for service in ("order", "payment", "inventory"):
        scripts = [piece.sql for piece in pieces if piece.service == service]
        for name, rule in costs.items():
            if rule.script:
                found |= {name for _ in chain.from_iterable(map(rule.script, scripts))}
            if rule.service:
                found |= {name for _ in rule.service(scripts)}

    assert set(re.findall(r"^\| `(citus_\w+)` \|", page, re.MULTILINE)) == costs.keys()
    assert found == costs.keys()


def test_every_decision_is_listed() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text()
    pages = sorted(path.name for path in (ROOT / "docs/decisions").glob("0*.md"))

    assert [name for name in pages if f"({name})" not in index] == []


def test_links_of_the_manual_point_at_files() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "ci").glob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / link).exists()
    ]

    assert broken == []


def test_the_shops_manifest_is_what_the_schema_says() -> None:
    schema = json.loads((ROOT / "docs/dbkit.schema.json").read_text())

    jsonschema.validate(tomllib.loads((ROOT / "dbkit.toml").read_text()), schema)


def test_every_test_that_the_manual_names_is_there() -> None:
    pages = [ROOT / "docs/migrate.md", ROOT / "docs/scale.md", *(ROOT / "docs/shop").glob("*.md")]
    manual = "".join(page.read_text(encoding="utf-8") for page in pages)
    written = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    functions = set(re.findall(r"def (test_\w+)\(", "".join(written.values())))
    files = set(re.findall(r"tests/[\w/]+\.(?:py|sql)", manual))
    tests = set(re.findall(r"\btest_\w+", manual))

    assert len(files) > 20
    assert len(tests) > 150
    assert [name for name in sorted(files) if not (ROOT / name).is_file()] == []
    assert tests - functions - set(written) == set()
