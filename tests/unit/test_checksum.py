"""The checksum's three verdicts: identical, cosmetic, semantic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbkit.source.checksum import text_hash, token_hash

SCRIPT = """\
-- What it is for.
CREATE TABLE shop.orders (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT orders_pkey PRIMARY KEY,
    note text NOT NULL DEFAULT 'It''s -- no comment'
);
CREATE FUNCTION shop.f(p_id bigint) RETURNS bigint
LANGUAGE plpgsql AS $function$
BEGIN
    -- inside
    RETURN p_id + 1;
END
$function$;
"""

COSMETIC = [
    ("another comment", SCRIPT.replace("What it is for", "What it's for")),
    ("no comment", SCRIPT.replace("-- What it is for.\n", "")),
    ("a licence", f"/* Licence\n * of /* this */ file\n */\n{SCRIPT}"),
    ("tabs", SCRIPT.replace("    ", "\t")),
    ("CRLF", SCRIPT.replace("\n", "\r\n")),
    ("one line", SCRIPT.replace("(\n    id", "(id")),
    ("no last newline", SCRIPT.rstrip()),
    ("lower keywords", SCRIPT.replace("CREATE TABLE", "create table").replace("RETURN p_id", "return p_id")),
    ("upper names", SCRIPT.replace("shop.orders", "SHOP.Orders")),
    ("a comment in a body", SCRIPT.replace("-- inside", "-- within")),
    ("a body indented otherwise", SCRIPT.replace("    RETURN", "  RETURN")),
    ("another dollar quote", SCRIPT.replace("$function$", "$$")),
]


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in COSMETIC])
def test_what_is_only_form_leaves_the_checksum(text: str) -> None:
    assert text_hash(text) != text_hash(SCRIPT)
    assert token_hash(text) == token_hash(SCRIPT)


SEMANTIC = [
    ("a number in a body", SCRIPT.replace("p_id + 1", "p_id + 2")),
    ("an operator in a body", SCRIPT.replace("p_id + 1", "p_id - 1")),
    ("a name", SCRIPT.replace("shop.orders", "shop.order")),
    ("a type", SCRIPT.replace("note text", "note varchar")),
    ("white space in a literal", SCRIPT.replace("-- no", "--  no")),
    ("the case of a literal", SCRIPT.replace("It''s", "it''s")),
    ("a word less", SCRIPT.replace(" NOT NULL", "")),
    ("a statement more", SCRIPT + "DROP TABLE shop.orders;"),
    ("a quoted name", SCRIPT.replace("shop.orders", 'shop."Orders"')),
    ("a literal that reads like a comment", SCRIPT.replace("'It''s -- no comment'", "'It''s'")),
]


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in SEMANTIC])
def test_what_is_substance_changes_the_checksum(text: str) -> None:
    assert text != SCRIPT
    assert token_hash(text) != token_hash(SCRIPT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT $$Hello  World$$", "SELECT $$Hello World$$"),
        ("SELECT $$Hello$$", "SELECT $$hello$$"),
        ("SELECT $$a -- b$$", "SELECT $$a$$"),
        ("COMMENT ON TABLE t IS $$a /* b */$$", "COMMENT ON TABLE t IS $$a$$"),
        ("INSERT INTO t VALUES ($x$line\n  two$x$)", "INSERT INTO t VALUES ($x$line two$x$)"),
        ("DO $$ BEGIN EXECUTE $q$SELECT 'a', $r$X y$r$$q$; END $$", "DO $$ BEGIN EXECUTE $q$SELECT 'a', $r$x y$r$$q$; END $$"),
        (
            "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT $x$A$x$ $$",
            "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT $x$a$x$ $$",
        ),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE plpython3u AS $$\nif x:\n  y()\nz()$$",
            "CREATE FUNCTION f() RETURNS int LANGUAGE plpython3u AS $$\nif x:\n  y()\n  z()$$",
        ),
        (
            "CREATE FUNCTION f() RETURNS int AS $$\nif x:\n  y()\nz()$$ LANGUAGE plpython3u",
            "CREATE FUNCTION f() RETURNS int AS $$\nif x:\n  y()\n  z()$$ LANGUAGE plpython3u",
        ),
        ("SELECT 'a' -- b", "SELECT 'a -- b'"),
        ("SELECT 1; 2", "SELECT 12"),
    ],
)
def test_dollar_quotes_that_hold_data_count_letter_by_letter(one: str, other: str) -> None:
    assert token_hash(one) != token_hash(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("DO $$ BEGIN  PERFORM 1; END $$", "DO $x$ BEGIN PERFORM 1; -- c\nEND $x$"),
        ("DO LANGUAGE plpgsql $$ BEGIN  NULL; END $$", "DO LANGUAGE plpgsql $$ BEGIN NULL; END $$"),
        ("CREATE OR REPLACE PROCEDURE p() AS $$ SELECT  1 $$ LANGUAGE SQL", "create or replace procedure p() as $$select 1$$ language sql"),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE 'plpgsql' AS $$ BEGIN  RETURN 1; END $$",
            "CREATE FUNCTION f() RETURNS int LANGUAGE 'plpgsql' AS $$ BEGIN RETURN 1; END $$",
        ),
    ],
)
def test_bodies_count_token_by_token(one: str, other: str) -> None:
    assert token_hash(one) == token_hash(other)


@pytest.mark.parametrize("text", ["SELECT 'a", "DO $$ BEGIN", "/* a", 'SELECT "a'])
def test_what_does_not_scan_has_a_checksum_all_the_same(text: str) -> None:
    assert token_hash(text) == token_hash(text)
    assert token_hash(text) != token_hash(f"{text} ")


# a statement as the pieces between which white space and comments may stand
PIECES = [
    "CREATE",
    "FUNCTION",
    "shop",
    ".",
    "f",
    "(",
    "p_a",
    "integer",
    ",",
    "p_b",
    "text",
    "=",
    "'x--y'",
    ")",
    "RETURNS",
    "integer",
    "LANGUAGE",
    "sql",
    "AS",
    "$f$",
    "SELECT",
    "p_a",
    "+",
    "1",
    "$f$",
    ";",
]
GAPS = st.lists(
    st.sampled_from([" ", "\n", "\t", "\r\n", " -- it's $$ a comment\n", "/* ' /* $$ */ ; */", " /**/ "]), min_size=1, max_size=3
).map("".join)


@given(st.lists(GAPS, min_size=len(PIECES), max_size=len(PIECES)))
def test_comments_and_white_space_between_tokens_never_count(gaps: list[str]) -> None:
    text = "".join(f"{piece}{gap}" for piece, gap in zip(PIECES, gaps, strict=True))

    assert token_hash(text) == token_hash(" ".join(PIECES))


LETTERS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)


def quoted(value: str, quote: str) -> str:
    match quote:
        case "'":
            return "'" + value.replace("'", "''") + "'"
        case "E'":
            return "E'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        case '"':
            return '"' + value.replace('"', '""') + '"'
        case _:
            return f"$q${value.replace('$', '%')}$q$"


@given(LETTERS.filter(bool), LETTERS.filter(bool), st.sampled_from(["'", "E'", '"', "$q$"]))
def test_a_changed_literal_always_counts(one: str, other: str, quote: str) -> None:
    first, second = quoted(one, quote), quoted(other, quote)

    same = token_hash(f"SELECT {first};") == token_hash(f"SELECT {second};")

    assert same == (first == second)


@given(LETTERS.filter(bool), LETTERS.filter(bool), st.sampled_from(["'", "E'", '"', "$q$"]))
def test_a_changed_literal_counts_inside_a_body_too(one: str, other: str, quote: str) -> None:
    first, second = quoted(one.replace("$", "%"), quote), quoted(other.replace("$", "%"), quote)

    same = token_hash(f"DO $body$ BEGIN PERFORM {first}; END $body$;") == token_hash(f"DO $body$ BEGIN PERFORM {second}; END $body$;")

    assert same == (first == second)


@given(st.integers(), st.integers())
def test_a_changed_number_always_counts(one: int, other: int) -> None:
    assert (token_hash(f"SELECT 0 + {one};") == token_hash(f"SELECT 0 + {other};")) == (one == other)
