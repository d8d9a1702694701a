"""The filters that write values into SQL, against a real server."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import ClientCursor

from dbkit.source.templates import identifier, jsonb, literal

Connection = psycopg.Connection[tuple[Any, ...]]
# what the server can hold at all: no NUL, no half of a surrogate pair
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")) | st.text(st.sampled_from("'\"\\$;-/*%:?{}E\n"))


def one(connection: Connection, query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@given(TEXTS)
def test_a_text_arrives_as_it_was(connection: Connection, value: str) -> None:
    assert one(connection, f"SELECT {literal(value)}::text") == value


@given(TEXTS)
def test_a_text_arrives_as_it_was_where_backslashes_escape(connection: Connection, value: str) -> None:
    connection.execute("SET standard_conforming_strings = off; SET escape_string_warning = off; SET backslash_quote = on")

    assert one(connection, f"SELECT {literal(value)}::text") == value


@given(st.integers(-(2**62), 2**62) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_arrives_as_it_was(connection: Connection, value: float) -> None:
    assert float(one(connection, f"SELECT {literal(value)}")) == float(value)


@pytest.mark.parametrize("value", [-1, -1.5, -0.0])
def test_a_negative_number_does_not_join_a_minus_before_it(connection: Connection, value: float) -> None:
    assert one(connection, f"SELECT (5 -{literal(value)})::float") == 5 - value


@given(TEXTS.filter(lambda text: 0 < len(text.encode()) <= 63))
def test_a_name_arrives_as_it_was(connection: Connection, name: str) -> None:
    cursor = connection.execute(f"SELECT 1 AS {identifier(name)}".encode())

    assert cursor.description is not None
    assert cursor.description[0].name == name


@given(TEXTS.filter(bool))
def test_a_name_is_quoted_where_the_server_would_quote_it(connection: Connection, name: str) -> None:
    with ClientCursor(connection) as cursor:
        quoted = cursor.execute("SELECT quote_ident(%s)", [name]).fetchone()

    assert quoted == (identifier(name),)


def test_every_keyword_is_quoted_where_the_server_would_quote_it(connection: Connection) -> None:
    rows = connection.execute("SELECT word, quote_ident(word) FROM pg_get_keywords()").fetchall()

    assert len(rows) > 400
    assert [word for word, quoted in rows if quoted != word and identifier(word) != quoted] == []


DOCUMENTS = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
)


@given(DOCUMENTS)
def test_a_table_of_the_manifest_arrives_as_jsonb(connection: Connection, value: object) -> None:
    assert json.loads(one(connection, f"SELECT ({jsonb(value)})::text")) == value
