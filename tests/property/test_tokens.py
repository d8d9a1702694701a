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


def test_every_statement_of_the_shop() -> None:
    texts = [path.read_text() for folder in ("migrations", "schemas", "seeds") for path in sorted((ROOT / folder).rglob("*.sql*"))]
    lines = [line for text in texts for line in text.splitlines()]

    assert sum(map(agree, lines)) > len(lines) / 4
