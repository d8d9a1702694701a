"""The `-- key: value` lines at the top: misspelt, repeated or misplaced ones are errors."""

from __future__ import annotations

import pytest

from dbkit.errors import ConfigurationError
from dbkit.source.headers import MIGRATION_HEADERS, ROUTINE_HEADERS, boolean, read_headers


def read(text: str, known: tuple[str, ...] = MIGRATION_HEADERS) -> dict[str, str]:
    return read_headers(text, known, "a.sql")


def refusal(text: str, known: tuple[str, ...] = MIGRATION_HEADERS) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read(text, known)
    assert caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SELECT 1;", {}),
        ("-- depends: 0001_a 0002_b\nSELECT 1;", {"depends": "0001_a 0002_b"}),
        (
            "-- Creates the table.\n--\n-- transactional: false\n\n-- depends: 0001_a\nSELECT 1;",
            {"transactional": "false", "depends": "0001_a"},
        ),
        ("--depends:0001_a\nSELECT 1;", {"depends": "0001_a"}),
        ("-- irreversible: the rows are gone: all of them\nDROP TABLE t;", {"irreversible": "the rows are gone: all of them"}),
        ("\n\n-- allow: roles   \nSELECT 1;", {"allow": "roles"}),
    ],
)
def test_leading_comments_hold_headers(text: str, found: dict[str, str]) -> None:
    assert read(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "-- Note: this is prose.\nSELECT 1;",
        "-- See https://example.org/x\nSELECT 1;",
        "-- Copyright: us\nSELECT 1;",
        "-- ticket: SHOP-12\nSELECT 1;",
    ],
)
def test_prose_is_no_header(text: str) -> None:
    assert read(text) == {}


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("-- depend: 0001_a", "depends:"),
        ("-- Depends: 0001_a", "depends:"),
        ("-- depends = 0001_a", "depends:"),
        ("-- transaktional: false", "transactional:"),
        ("-- transactional=false", "transactional:"),
        ("-- irreversable: why", "irreversible:"),
    ],
)
def test_a_misspelt_header_is_answered_with_the_right_one(line: str, meant: str) -> None:
    error = refusal(f"-- What it does.\n{line}\nSELECT 1;")

    assert f"did you mean '{meant}'" in error.message
    assert error.where == "a.sql:2"


def test_a_header_that_stands_twice_is_refused() -> None:
    error = refusal("-- depends: a\n-- depends: b\nSELECT 1;")

    assert "twice" in error.message
    assert error.where == "a.sql:2"


@pytest.mark.parametrize(
    "line", ["-- transactional: false", "-- depends: 0001_a", "-- irreversible: x", "--depends: a", "--\tdepends: a", "-- Depends: a"]
)
def test_a_header_below_the_first_statement_is_refused(line: str) -> None:
    error = refusal(f"SELECT 1;\n\n{line}\nSELECT 2;")

    assert "below the first statement" in error.message
    assert error.where == "a.sql:3"


@pytest.mark.parametrize("line", ["-- timeout: 5s", "-- lock_timeout: 300 ms", "-- concurrent: true", "-- work-mem: 64MB"])
def test_a_setting_that_is_none_is_refused(line: str) -> None:
    error = refusal(f"{line}\nSELECT 1;")

    assert "there is no header" in error.message
    assert "transactional" in f"{error.hint}"


@pytest.mark.parametrize("line", ["-- phase: before", "-- server: >= 18"])
def test_a_header_of_another_kind_of_file_is_refused(line: str) -> None:
    assert "belongs into a routine" in refusal(f"{line}\nSELECT 1;").message


def test_routines_have_headers_of_their_own() -> None:
    assert read("-- phase: before\n-- server: >= 18\nSELECT 1;", ROUTINE_HEADERS) == {"phase": "before", "server": ">= 18"}


@pytest.mark.parametrize(("value", "meaning"), [("true", True), ("false", False)])
def test_a_boolean_header_says_true_or_false(value: str, meaning: bool) -> None:
    assert boolean({"transactional": value}, "transactional", default=not meaning, where="a.sql") is meaning


@pytest.mark.parametrize("value", ["no", "False", "0", ""])
def test_a_boolean_header_takes_nothing_else(value: str) -> None:
    with pytest.raises(ConfigurationError, match="true or false"):
        boolean({"transactional": value}, "transactional", default=True, where="a.sql")
