"""--fix mends the template where the rendering lets it, and never what the SQL says."""

from __future__ import annotations

from pathlib import Path

import pytest
from lint_project import Files

from dbkit.lint import Fixed, fix, select
from dbkit.project.manifest import find_project


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "project")


def mend(files: Files) -> list[Fixed]:
    project = find_project(files.root)
    return fix(project, select(project, (), files.root, None))


def test_a_verbatim_file_is_mended(files: Files) -> None:
    path = files.put("schemas/main/v.sql", "CREATE VIEW app.v AS\nselect  a.x\nFROM app.a AS a;\n")
    assert [(outcome.path, outcome.lines) for outcome in mend(files)] == [(path, 1)]
    assert path.read_text(encoding="utf-8") == "CREATE VIEW app.v AS\nSELECT a.x\nFROM app.a AS a;\n"


def test_lines_of_a_template_that_are_text_are_mended(files: Files) -> None:
    text = "CREATE VIEW {{ schema }}.v AS\nselect\n    a.x,\n    {{ 'a' }}.y\nFROM {{ schema }}.a AS a;\n"
    path = files.put("schemas/main/v.sql.j2", text)
    mend(files)
    assert path.read_text(encoding="utf-8") == text.replace("select", "SELECT")


def test_a_line_with_an_expression_is_indented(files: Files) -> None:
    text = "SELECT\n  {{ schema }}.a() AS x,\n    2 AS y;\n"
    path = files.put("seeds/main/a.sql.j2", text)
    mend(files)
    assert path.read_text(encoding="utf-8") == text.replace("  {{", "    {{")


def test_a_line_that_a_loop_renders_twice_stays(files: Files) -> None:
    text = "{% for n in [1, 2] %}\nselect 1 AS one;\n{% endfor %}\n"
    path = files.put("seeds/main/a.sql.j2", text)
    (outcome,) = mend(files)
    assert outcome.refusal is not None
    assert path.read_text(encoding="utf-8") == text


def test_a_fix_that_changes_the_sql_is_refused(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files.put("seeds/main/a.sql", "select 1 AS one;\n")
    monkeypatch.setattr("dbkit.lint.mend._mended", lambda _text, _settings: "SELECT 2 AS one;\n")
    (outcome,) = mend(files)
    assert outcome.refusal == "sqlfluff's fix would change what the SQL says"
    assert path.read_text(encoding="utf-8") == "select 1 AS one;\n"


def test_what_is_right_is_not_touched(files: Files) -> None:
    files.put("seeds/main/a.sql", "SELECT 1 AS one;\n")
    assert mend(files) == []
