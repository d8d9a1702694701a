"""A finding in the rendering stands at the line and column of the template."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbkit.lint.place import Places
from dbkit.source import templates
from dbkit.source.script import Script


def script(tmp_path: Path, text: str, **context: str) -> Script:
    path = tmp_path / "t.sql.j2"
    path.write_text(text, encoding="utf-8")
    return Script(path, templates.render(path, context, (tmp_path,)), context, (tmp_path,))


@pytest.mark.parametrize(
    ("column", "expected", "is_written"),
    [
        (1, 1, True),  # SELECT
        (8, 8, False),  # inside of what {{ schema }} became: its brace
        (13, 8, False),
        (14, 20, True),  # the dot behind it
        (16, 22, True),
    ],
)
def test_a_column_is_mapped_past_expressions(tmp_path: Path, column: int, expected: int, *, is_written: bool) -> None:
    rendered = script(tmp_path, "SELECT {{ schema }}.x();\n", schema="orders")
    assert rendered.text == "SELECT orders.x();\n"
    place = Places().find(rendered, 1, column)
    assert (place.line, place.column, place.is_written) == (1, expected, is_written)


def test_a_line_behind_a_block_keeps_its_number(tmp_path: Path) -> None:
    (tmp_path / "m.sql.j2").write_text("{% macro m() %}\nSELECT 1;\nSELECT 2;\n{% endmacro %}\n", encoding="utf-8")
    rendered = script(tmp_path, '{% from "m.sql.j2" import m %}\n-- a\n{% if true %}\nSELECT 0;\n{% endif %}\n{{ m() }}SELECT 3;\n')
    lines = {line: number for number, line in enumerate(rendered.text.split("\n"), 1)}
    places = {text: Places().find(rendered, number, 1) for text, number in lines.items()}
    assert places["-- a"].line == 2
    assert places["SELECT 0;"].line == 4
    assert (places["SELECT 2;"].path.name, places["SELECT 2;"].line) == ("m.sql.j2", 3)
    assert places["SELECT 3;"].line == 6
