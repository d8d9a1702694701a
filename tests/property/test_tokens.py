"""Where the quick reading of tokens answers, it answers what PostgreSQL's scanner does."""

from __future__ import annotations

import contextlib
from pathlib import Path

import postgast
from hypothesis import given, settings
from hypothesis import strategies as st

from dbkit.source.checksum import _simple_tokens, _tokens

ROOT = Path(__file__).parents[2]
WORDS = r"SELECT select a _b A1 é ÄÖ x$1 'a' '' 'it''s' 'a\' E'\'' e'x' U&'d' U&\"d\" x'1F' b'01' N'n' B E U& \"q\" \"q\"\"r\" \"Ä\""
SIGNS = (
    r"( ) [ ] , ; . .. : :: := => = < > <= >= <> != + - * / % ^ & | || -> ->> #> @> ? ~ !~ -- /* */ /**/ $1 $$ $a$ %% {} \ 1 12 1.5 1. .5"
)
PIECES = [*WORDS.split(), *SIGNS.split(), "1e5", "0x1F", "1_000", "1..2", "-- c\n", "\t", "\r\n", "\n", " "]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=14).flatmap(
    lambda parts: st.sampled_from(["", " ", "\n"]).map(lambda gap: gap.join(parts))
)


def agree(text: str) -> bool:
    """Compare the two readings of a text that scans; return whether the quick one answered at all."""
    data = text.encode(errors="replace")
    quick = _simple_tokens(data)
    with contextlib.suppress(postgast.PgQueryError):
        slow = list(_tokens(data, bodies=True))
        assert quick in ([], slow), text
    return bool(quick)


@settings(max_examples=3000)
@given(TEXTS)
def test_any_text(text: str) -> None:
    agree(text)


HEADS = st.sampled_from(
    ["CREATE FUNCTION f() RETURNS int LANGUAGE {} AS", "create or replace procedure p() AS", "DO", "SELECT", "COMMENT ON TABLE t IS"]
)
TAILS = st.sampled_from([";", " LANGUAGE {};", " IMMUTABLE", "; SELECT 1;", " -- c\n;"])
QUOTES = st.sampled_from(["$$", "$a$", "$function$"])
LANGUAGES = st.sampled_from(["sql", "'plpgsql'", "SQL", "plpython3u", "c"])
WITHIN = ["BEGIN", "END", ";", "v", ":=", "1", "--", "c", "RETURN", "'a'", "it's", "$$", "$1", "||", "SELECT", "a", "=>", "/*", "*/"]
BODIES = st.lists(st.sampled_from([*WITHIN, "-- c\n", "\n", " "]), max_size=10)
STATEMENTS = st.tuples(HEADS, QUOTES, BODIES, TAILS, LANGUAGES).map(
    lambda parts: f"{parts[0]} {parts[1]} {' '.join(parts[2])} {parts[1]}{parts[3]}".replace("{}", parts[4])
)


@settings(max_examples=500)
@given(st.lists(STATEMENTS, max_size=4))
def test_any_body(statements: list[str]) -> None:
    agree("\n".join(statements))


def test_bodies_are_read_the_quick_way() -> None:
    assert agree(
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $f$\nDECLARE\n    v int;\nBEGIN -- c\n    v := 1;\nEND\n$f$; SELECT 1"
    )


def test_every_statement_of_the_shop() -> None:
    texts = [path.read_text() for folder in ("migrations", "schemas", "seeds") for path in sorted((ROOT / folder).rglob("*.sql*"))]
    lines = [line for text in texts for line in text.splitlines()]

    assert sum(map(agree, lines)) > len(lines) / 4
