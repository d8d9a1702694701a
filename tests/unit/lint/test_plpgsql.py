"""PL/pgSQL bodies parse without a server, whatever their types; only what is certain is an error."""

from __future__ import annotations

import pytest

from dbkit.lint.parsed import Sql
from dbkit.lint.plpgsql import compile_function
from dbkit.lint.rules import rules


def of(body: str, header: str = "CREATE FUNCTION app.f() RETURNS integer") -> str:
    return f"{header} LANGUAGE plpgsql AS $$\n{body}\n$$;"


@pytest.mark.parametrize(
    "text",
    [
        of("DECLARE\n v app.orders;\n w app.states;\nBEGIN\n v.id := 1; SELECT 1, 2 INTO w, v.id; RETURN 1;\nEND"),
        of("DECLARE v app.orders; BEGIN RETURN NEXT v; RETURN QUERY SELECT 1; END", "CREATE FUNCTION app.f() RETURNS SETOF app.orders"),
        of("DECLARE v app.orders%ROWTYPE; w app.orders.id%TYPE; x app.state[]; BEGIN v.id := 1; x[1] := 'a'; RETURN 1; END"),
        of("BEGIN p_row.id := 1; RETURN; END", "CREATE FUNCTION app.f(p_row app.orders, OUT p_b app.states)"),
        of("BEGIN NEW.a := TG_OP; RETURN NEW; END", "CREATE FUNCTION app.tg() RETURNS trigger"),
        of("BEGIN RAISE NOTICE '%', tg_tag; END", "CREATE FUNCTION app.tg() RETURNS event_trigger"),
        "CREATE PROCEDURE app.p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;",
        "DO $$ BEGIN FOR i IN 1..2 LOOP CONTINUE WHEN i = 1; END LOOP; END $$;",
    ],
)
def test_what_is_right_has_no_error(text: str) -> None:
    compiled = compile_function(text)
    assert compiled.error is None
    assert compiled.tree or "app." in text


@pytest.mark.parametrize(
    ("body", "line", "message"),  # the line of the word that is named, or where the parser stood
    [
        ("BEGIN\n RETURN 1\nEND", 3, "syntax error at end of input"),
        ("BEGIN\n PERFORM 1;\n SELECT FROM WHERE;\n RETURN 1;\nEND", 4, 'syntax error at or near "WHERE"'),
        ("BEGIN\n v_missing := 1;\n RETURN 1;\nEND", 3, '"v_missing" is not a known variable'),
        ("DECLARE\n v app.orders;\nBEGIN\n IF v.id THEN\n RETURN 1;\nEND", 6, "syntax error at end of input"),
        ("DECLARE v text;\nBEGIN\n RAISE NOTICE '% %', v;\n RETURN 1;\nEND", 4, "too few parameters specified for RAISE"),
    ],
)
def test_what_is_wrong_is_said_with_the_line(body: str, line: int, message: str) -> None:
    script = rules()["plpgsql_syntax"].script
    assert script is not None
    assert [(hit.line, hit.message) for hit in script(Sql(of(body)))] == [(line, f"f() is not PL/pgSQL: {message}")]


def test_nodes_are_found_in_blocks_of_blocks() -> None:
    compiled = compile_function(of("BEGIN IF true THEN LOOP COMMIT; EXIT; END LOOP; END IF; RETURN 1; END"))
    assert [node["lineno"] for node in compiled.nodes("stmt_commit")] == [2]
