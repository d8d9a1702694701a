"""Cutting a tool's file at its marks loses nothing of what stands between them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dbkit.layouts.convert import _pieces
from dbkit.layouts.readers import dbmate, goose, yoyo
from dbkit.source.lexer import ScriptSyntaxError

LINES = st.lists(
    st.sampled_from(
        ["SELECT 1;", "", "  ", "-- a comment", "'", "$$;$$", "--+goose", "-- migrate", "%s {} :x", "é — \u00a0", ";", "\\.", "\t"]
    ),
    max_size=6,
).map(lambda lines: "".join(f"{line}\n" for line in lines))
END = st.sampled_from(["", "SELECT 2", "-- no newline", "\n"])
BRACKETS = st.sampled_from(
    [("", ""), ("-- +goose StatementBegin\n", "-- +goose StatementEnd\n"), ("--  +GOOSE  statementbegin\n", "--+goose statementEND  \n")]
)


@given(LINES, LINES, END, st.sampled_from(["", " transaction:false"]))
def test_dbmates_sections_are_whole(up: str, down: str, end: str, option: str) -> None:
    first, second = dbmate.split(f"-- before\n-- migrate:up{option}\n{up}-- migrate:down\n{down}{end}", "x")

    assert first.sql == f"-- before\n\n{up}"
    assert second
    assert second.sql == f"\n{down}{end}"
    assert first.transactional == (not option)


@given(LINES, LINES, END, BRACKETS)
def test_gooses_sections_are_whole_and_keep_their_lines(up: str, down: str, end: str, brackets: tuple[str, str]) -> None:
    opening, closing = brackets
    text = f"-- +goose Up\n{opening}{up}{closing}-- +goose Down\n{down}{end}"
    first, second = goose.split(text, "x")

    gap = "\n" if opening else ""
    assert first.sql == f"\n{gap}{up}{gap}"
    assert second
    assert second.sql == f"\n{down}{end}"
    assert first.sql.count("\n") + second.sql.count("\n") == text.count("\n")
    assert "".join(body for _, _, body in goose.sections(text)) == first.sql + second.sql


@given(LINES, END)
def test_a_yoyo_file_loses_its_directives_and_nothing_else(body: str, end: str) -> None:
    directives, sql = yoyo.split(f"-- depends: a b\n-- transactional: false\n{body}{end}")

    assert directives == {"depends": "a b", "transactional": "false"}
    assert sql == body + end


@given(LINES, END)
def test_the_pieces_of_a_script_make_the_whole(body: str, end: str) -> None:
    try:
        pieces = list(_pieces(body + end))
    except ScriptSyntaxError:
        return
    assert "".join(piece.text for piece in pieces) == body + end
