"""Style is sqlfluff's over the rendering; what the rendering made of the layout is nobody's fault."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from lint_project import Files

from dbkit.lint import style
from dbkit.lint.cache import StyleHit

CHECKOUT = Path(__file__).parents[3]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "project")


def styled(files: Files) -> list[tuple[str, int, int]]:
    return [(finding.rule, finding.line, finding.column) for finding in files.lint().findings if finding.layer == "style"]


def test_the_defaults_are_the_reference_projects() -> None:
    ours = tomllib.loads(style.DEFAULTS.read_text(encoding="utf-8"))["tool"]["sqlfluff"]
    assert tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["sqlfluff"] == ours


def test_a_finding_stands_at_the_line_of_the_template(files: Files) -> None:
    files.put("schemas/main/v.sql.j2", "{% set a = 1 %}\nCREATE VIEW {{ schema }}.v AS\nselect a.x\nFROM {{ schema }}.a AS a;\n")
    assert styled(files) == [("CP01", 3, 1)]


def test_the_projects_own_settings_win(files: Files) -> None:
    files.put("schemas/main/v.sql", "CREATE VIEW app.v AS\nselect a.x\nFROM app.a AS a;\n")
    files.put("pyproject.toml", '[tool.sqlfluff.core]\ndialect = "postgres"\nexclude_rules = "CP01"\n')
    assert styled(files) == []


def test_the_style_of_a_large_file_is_not_looked_at_and_that_is_said(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """All else of it is."""
    monkeypatch.setattr("dbkit.source.script.LARGE", 1000)
    files.put("seeds/main/a.sql", "select 1;\n" * 200 + "SELECT (;\n")
    files.put("seeds/main/b.sql", "select 1;\n")

    found = {(f.path, f.rule, f.level) for f in files.lint().findings}

    assert ("seeds/main/a.sql", "large_file", "info") in found
    assert {rule for path, rule, _ in found if path == "seeds/main/a.sql"} == {"large_file", "syntax"}
    assert ("seeds/main/b.sql", "CP01", "warning") in found


def test_noqa_has_no_effect(files: Files) -> None:
    files.put("schemas/main/v.sql", "CREATE VIEW app.v AS\nselect a.x -- noqa\nFROM app.a AS a;\n")
    assert styled(files) == [("CP01", 2, 1)]


def test_blank_lines_of_the_rendering_are_no_findings(files: Files) -> None:
    macro = "{% macro m(a) -%}\nSELECT 1;\n{% if a -%}\nSELECT {{ a }};\n{%- endif %}\n{%- endmacro %}\n"
    files.put("schemas/_shared/m.sql.j2", macro)
    files.put("schemas/main/a.sql.j2", '{% from "m.sql.j2" import m %}\n{% if true %}\n\n{% endif %}\n\nSELECT 2;\n\n{{ m(none) }}\n')
    assert styled(files) == []


def test_a_long_line_is_measured_in_the_template(files: Files) -> None:
    short = "SELECT {{ schema }}.{{ 'x' * 60 }} AS a, {{ schema }}.{{ 'y' * 30 }} AS b;"
    files.put("seeds/main/a.sql.j2", f"{short}\nSELECT {', '.join(['1 AS one'] * 12)};\n")
    assert [(rule, line) for rule, line, _ in styled(files) if rule == "LT05"] == [("LT05", 2)]


def test_what_sqlfluff_cannot_read_is_information(files: Files) -> None:
    files.put("seeds/main/a.sql", "CREATE TABLE app.t (a int, b daterange, CONSTRAINT k PRIMARY KEY (a, b WITHOUT OVERLAPS));\n")
    assert [(finding.rule, finding.level) for finding in files.lint().findings if finding.layer == "style"] == [("PRS", "info")]


@pytest.mark.parametrize(
    ("hit", "text"),
    [
        (StyleHit(1, 16, "LT06", ""), "SELECT a = ANY ((p).b);"),
        (StyleHit(1, 23, "CP05", ""), "SELECT overlay('a'    PLACING 'b' FROM 1);"),
        (StyleHit(1, 20, "AM09", ""), "SELECT a.x FROM a  OFFSET 0;"),
        (StyleHit(3, 1, "LT02", ""), "SELECT x\nCROSS JOIN LATERAL app.f(\n    1\n) AS f;"),
    ],
)
def test_known_misreadings_are_left_out(hit: StyleHit, text: str) -> None:
    assert style.is_misread(hit, text)


def test_an_offset_that_leaves_rows_out_is_no_misreading() -> None:
    assert not style.is_misread(StyleHit(1, 17, "AM09", ""), "SELECT a FROM b OFFSET 10;")
