"""Renderings that are kept between runs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dbkit.errors import ConfigurationError
from dbkit.project.manifest import find_project
from dbkit.source.files import load_migrations
from dbkit.source.repeatables import load_routines

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = '[project]\nname = "p"\n[services.main]\nshared = ["own"]\n[services.main.rules]\nlimit = {limit}\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    put(tmp_path, "dbkit.toml", MANIFEST.format(limit=3))
    put(tmp_path, "schemas/main/one.sql.j2", "{% from 'words.sql.j2' import word %}\nSELECT {{ rules.limit }}, '{{ word() }}';\n")
    put(tmp_path, "schemas/_shared/words.sql.j2", "{% macro word() %}first{% endmacro %}")
    put(tmp_path, "schemas/_shared/own/two.sql", "SELECT 2;\n")
    put(tmp_path, "migrations/main/0001_a.sql.j2", "CREATE TABLE {{ schema }}.a ();\n")
    return tmp_path


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def rendered(root: Path) -> str:
    """Return all texts, as a process of its own renders them: Jinja keeps what it compiled for the life of one."""
    code = (
        "import sys; from pathlib import Path; from dbkit.project.manifest import find_project as f; import dbkit.source.files as s\n"
        "import dbkit.source.repeatables as r\n"
        "p = f(Path(sys.argv[1]))\n"
        "print([x.script.text for x in [*s.load_migrations(p, 'main'), *r.load_routines(p, 'main')]], 'jinja2' in sys.modules)"
    )
    return subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True).stdout


def test_what_nobody_changed_is_rendered_once(project: Path) -> None:
    """The second process has the same texts, and no Jinja."""
    first, second = rendered(project), rendered(project)

    assert "SELECT 3, 'first'" in first
    assert first.endswith("True\n")
    assert second == first.replace("True", "False")


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("schemas/main/one.sql.j2", "SELECT {{ rules.limit }} + 1;\n", "SELECT 3 + 1;"),
        ("schemas/_shared/words.sql.j2", "{% macro word() %}other{% endmacro %}", "'other'"),
        ("dbkit.toml", MANIFEST.format(limit=4), "SELECT 4"),
        ("migrations/main/0001_a.sql.j2", "CREATE TABLE {{ schema }}.b ();\n", "main.b"),
        ("schemas/_shared/own/two.sql", "SELECT 22;\n", "SELECT 22"),
        ("schemas/main/three.sql.j2", "SELECT '{{ service }}';\n", "SELECT 'main'"),
    ],
)
def test_whatever_a_rendering_depends_on_makes_it_new(project: Path, name: str, text: str, wanted: str) -> None:
    """A file, what it includes, a rule of the manifest, a file that comes: the next process sees it."""
    before = rendered(project)
    put(project, name, text)

    assert wanted not in before
    assert wanted in rendered(project)


def test_a_kept_file_that_is_damaged_is_no_error(project: Path) -> None:
    """It is rendered again."""
    before = rendered(project)
    for path in (project / ".dbkit" / "rendered").glob("*.json"):
        path.write_text(path.read_text()[:-20])

    assert rendered(project) == before


def test_each_tenant_of_many_leaves_nothing_behind(project: Path) -> None:
    """A thousand renderings would be kept that no later run is likely to want."""
    found = find_project(project)

    assert load_migrations(found, "main@other")
    assert load_routines(found, "main@other")
    assert not (project / ".dbkit").exists()


@pytest.mark.parametrize("name", ["../x.sql.j2", "{root}/x.sql.j2"])
def test_nothing_outside_of_the_shared_folders_is_included(project: Path, name: str) -> None:
    """What a rendering depends on is known, so that one that is kept is never an old one."""
    put(project, "schemas/x.sql.j2", "SELECT 1;")
    put(project, "x.sql.j2", "SELECT 1;")
    put(project, "schemas/main/one.sql.j2", "{% include '" + name.format(root=project) + "' %}\n")

    with pytest.raises(ConfigurationError, match="no template"):
        load_routines(find_project(project), "main")
