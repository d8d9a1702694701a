"""Templates: where an error stands, where a line came from, what reaches the server unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dbkit.errors import ConfigurationError
from dbkit.source import templates
from dbkit.source.templates import origins, render

NAMES = {"schema": "shop", "roles": {"app": "shop_app"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    templates._environment.cache_clear()
    return tmp_path


def put(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rendered(path: Path, context: Mapping[str, Any] = NAMES) -> str:
    return render(path, context, (path.parent,))


def refusal(path: Path, context: Mapping[str, Any] = NAMES) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        rendered(path, context)
    return caught.value


VERBATIM = [
    "SELECT '{{1,2},{3,4}}'::integer[];\n",
    "SELECT '{% if x %}', '{# no comment #}';\n",
    r"SELECT '%s %(name)s :name ? $1 \d' AS t;" + "\n",
    "SELECT 1;",
    "\n\n  SELECT 1;  \n\n",
]


@pytest.mark.parametrize("text", VERBATIM)
def test_a_sql_file_is_verbatim(folder: Path, text: str) -> None:
    assert rendered(put(folder, "a.sql", text)) == text


def test_a_template_sees_names(folder: Path) -> None:
    path = put(folder, "a.sql.j2", "GRANT USAGE ON SCHEMA {{ schema }} TO {{ roles.app }};\n")

    assert rendered(path) == "GRANT USAGE ON SCHEMA shop TO shop_app;\n"


def test_a_block_line_leaves_no_line_behind(folder: Path) -> None:
    path = put(folder, "a.sql.j2", "{% if true %}\nSELECT 1;\n{% endif %}\nSELECT 2;\n")

    assert rendered(path) == "SELECT 1;\nSELECT 2;\n"


def test_crlf_reads_as_lf(folder: Path) -> None:
    assert rendered(put(folder, "a.sql", b"SELECT 1;\r\nSELECT 2;\r\n")) == "SELECT 1;\nSELECT 2;\n"


def test_a_carriage_return_inside_a_line_stays(folder: Path) -> None:
    assert rendered(put(folder, "a.sql", b"SELECT 'a\rb';\n")) == "SELECT 'a\rb';\n"


def test_a_byte_order_mark_is_left_out(folder: Path) -> None:
    assert rendered(put(folder, "a.sql", b"\xef\xbb\xbfSELECT 1;\n")) == "SELECT 1;\n"


def test_bytes_that_are_no_utf8_are_named_with_their_line(folder: Path) -> None:
    path = put(folder, "a.sql", b"SELECT 1;\nSELECT '\xfc';\n")

    error = refusal(path)

    assert error.where == f"{path}:2"
    assert "0xfc" in error.message


def test_a_nul_byte_is_named_with_its_line(folder: Path) -> None:
    path = put(folder, "a.sql", b"SELECT 1;\n\nSELECT 'a\x00b';\n")

    assert refusal(path).where == f"{path}:3"


def test_an_undefined_name_is_an_error_at_its_line(folder: Path) -> None:
    path = put(folder, "a.sql.j2", "SELECT 1;\nSELECT {{ scheme }};\n")

    error = refusal(path)

    assert error.where == f"{path}:2"
    assert "scheme" in error.message
    assert error.hint is not None
    assert "schema" in error.hint


def test_an_undefined_attribute_is_an_error(folder: Path) -> None:
    path = put(folder, "a.sql.j2", "\n\nSELECT '{{ roles.ap }}';\n")

    assert refusal(path).where == f"{path}:3"


@pytest.mark.parametrize("use", ["{{ x }}", "{{ x|literal }}", "{% if x %}{% endif %}", "{% for y in x %}{% endfor %}", "{{ x.y }}"])
def test_an_undefined_name_has_no_use_that_passes(folder: Path, use: str) -> None:
    assert "x" in refusal(put(folder, "a.sql.j2", f"SELECT 1;{use}\n")).message


def test_an_error_inside_a_macro_is_at_the_macros_line(folder: Path) -> None:
    macros = put(folder, "macros.sql.j2", "{% macro touch(table) %}\nALTER TABLE\n{{ table }} {{ nothing }};\n{% endmacro %}\n")
    path = put(folder, "a.sql.j2", "{% from 'macros.sql.j2' import touch %}\nSELECT 1;\n{{ touch('t') }}\n")

    assert refusal(path).where == f"{macros}:3"


def test_an_error_inside_an_include_is_at_the_includes_line(folder: Path) -> None:
    included = put(folder, "part.sql.j2", "SELECT 1;\nSELECT {{ nothing }};\n")
    path = put(folder, "a.sql.j2", "SELECT 0;\n\n\n\n{% include 'part.sql.j2' %}\n")

    assert refusal(path).where == f"{included}:2"


def test_a_syntax_error_of_an_include_is_at_the_includes_line(folder: Path) -> None:
    included = put(folder, "part.sql.j2", "SELECT 1;\n{% if %}\n")
    path = put(folder, "a.sql.j2", "{% include 'part.sql.j2' %}\n")

    assert refusal(path).where == f"{included}:2"


def test_a_syntax_error_is_at_its_line(folder: Path) -> None:
    path = put(folder, "a.sql.j2", "SELECT 1;\n{% endif %}\n")

    assert refusal(path).where == f"{path}:2"


def test_an_include_that_is_not_there_is_named(folder: Path) -> None:
    path = put(folder, "a.sql.j2", "SELECT 1;\n{% include 'no.sql.j2' %}\n")

    error = refusal(path)

    assert "no.sql.j2" in error.message
    assert error.where == f"{path}:2"


def test_a_value_of_the_wrong_kind_is_an_error_at_its_line(folder: Path) -> None:
    path = put(folder, "a.sql.j2", "SELECT 1;\nSELECT {{ 1 / 0 }};\n")

    assert refusal(path).where == f"{path}:2"


def test_a_migration_that_wants_a_business_number_is_told_where_numbers_go(folder: Path) -> None:
    path = put(folder, "a.sql.j2", "SELECT {{ rules.minimum }};\n")

    error = refusal(path)

    assert error.hint is not None
    assert "repeatable" in error.hint


@pytest.mark.parametrize("expression", ["{{ range(10 ** 9)|random }}", "{{ [1, 2]|random }}", "{{ lipsum() }}"])
def test_a_template_that_would_render_to_two_texts_is_refused(folder: Path, expression: str) -> None:
    path = put(folder, "a.sql.j2", f"SELECT 1;\nSELECT {expression};\n")

    error = refusal(path)

    assert "random value" in error.message
    assert error.where == f"{path}:2"


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("{{ schema.upper }}", "a function is no text: call it: ()"),
        ("{{ roles }}", "a dict is no text: write it with |jsonb or |join"),
        ("{{ ['a', 'b'] }}", "a list is no text"),
        ("{{ roles|map('upper') }}", "a generator is no text"),
        ("{% macro m() %}{% endmacro %}{{ m }}", "a function is no text"),
    ],
)
def test_an_object_that_has_no_text_of_its_own_is_refused(folder: Path, expression: str, said: str) -> None:
    put(folder, "inner.sql.j2", f"SELECT 1;\nSELECT {expression};\n")
    path = put(folder, "a.sql.j2", "SELECT 2;\n{% include 'inner.sql.j2' %}\n")

    error = refusal(path)

    assert said in error.message
    assert error.where == f"{folder}/inner.sql.j2:2"


def test_texts_numbers_and_truths_are_printed(folder: Path) -> None:
    path = put(folder, "a.sql.j2", "{{ schema.upper() }} {{ 1 }} {{ 1.5 }} {{ true }} {{ none }} {{ schema|ident }}\n")

    assert rendered(path) == "SHOP 1 1.5 True None shop\n"


def test_a_template_without_a_tag_is_taken_as_it_is(folder: Path) -> None:
    text = "SELECT '{a}', 1 % 2, '#{', '}}'::text; -- %}\n"

    assert templates.render(put(folder, "a.sql.j2", text), {}, ()) == text
    assert templates.render(put(folder, "b.sql.j2", "{# with one #}" + text), {}, ()) == text


def test_the_first_folder_that_has_an_include_wins(folder: Path) -> None:
    own, ours = folder / "own", folder / "ours"
    own.mkdir()
    ours.mkdir()
    put(own, "part.sql.j2", "SELECT 'own';\n")
    put(ours, "part.sql.j2", "SELECT 'ours';\n")
    put(ours, "other.sql.j2", "SELECT 'other';\n")
    path = put(folder, "a.sql.j2", "{% include 'part.sql.j2' %}{% include 'other.sql.j2' %}")

    assert render(path, NAMES, (own, ours)) == "SELECT 'own';\nSELECT 'other';\n"


def lines_of(path: Path) -> list[str]:
    """Return `file:line` of each line of the rendering, the file without its folder."""
    text = rendered(path)
    return [f"{origin.path.name}:{origin.line}" for origin in origins(path, NAMES, (path.parent,), text)]


def test_every_line_of_a_sql_file_is_its_own_origin(folder: Path) -> None:
    assert lines_of(put(folder, "a.sql", "SELECT 1;\n\nSELECT 2;\n")) == ["a.sql:1", "a.sql:2", "a.sql:3", "a.sql:4"]


def test_lines_after_a_block_know_where_they_stood(folder: Path) -> None:
    path = put(folder, "a.sql.j2", "{% set x = 1 %}\nSELECT {{ x }};\n{% if true %}\nSELECT 2;\n{% endif %}\nSELECT 3;\n")

    assert lines_of(path)[:3] == ["a.sql.j2:2", "a.sql.j2:4", "a.sql.j2:6"]


def test_lines_of_a_loop_lead_to_the_same_line(folder: Path) -> None:
    path = put(folder, "a.sql.j2", "{% for n in [1, 2, 3] %}\nSELECT {{ n }};\n{% endfor %}\nSELECT 4;\n")

    assert lines_of(path)[:4] == ["a.sql.j2:2", "a.sql.j2:2", "a.sql.j2:2", "a.sql.j2:4"]


def test_lines_of_a_macro_lead_to_the_macro_and_back(folder: Path) -> None:
    put(folder, "macros.sql.j2", "{% macro two(t) %}\nALTER TABLE {{ t }}\n    ADD x integer;\n{% endmacro %}\n")
    path = put(folder, "a.sql.j2", "{% from 'macros.sql.j2' import two %}\nSELECT 1;\n{{ two('t') }}\nSELECT 2;\n")

    text = rendered(path).split("\n")
    found = dict(zip(text, lines_of(path), strict=True))

    assert found["SELECT 1;"] == "a.sql.j2:2"
    assert found["ALTER TABLE t"] == "macros.sql.j2:2"
    assert found["    ADD x integer;"] == "macros.sql.j2:3"
    assert found["SELECT 2;"] == "a.sql.j2:4"


def test_lines_of_an_include_lead_to_the_include(folder: Path) -> None:
    put(folder, "part.sql.j2", "SELECT 1;\nSELECT 2;\n")
    path = put(folder, "a.sql.j2", "SELECT 0;\n{% include 'part.sql.j2' %}\nSELECT 3;\n")

    found = dict(zip(rendered(path).split("\n"), lines_of(path), strict=True))

    assert found["SELECT 0;"] == "a.sql.j2:1"
    assert found["SELECT 2;"] == "part.sql.j2:2"
    assert found["SELECT 3;"] == "a.sql.j2:3"


def test_a_rendering_that_can_not_be_marked_leads_to_the_files_first_line(folder: Path) -> None:
    path = put(folder, "a.sql.j2", "SELECT 0;\nSELECT '{% filter reverse %}\nx\n{% endfilter %}';\n")

    assert set(lines_of(path)) == {"a.sql.j2:1"}
