"""Where statements end and which lines are data: PostgreSQL's lexical rules."""

from __future__ import annotations

from itertools import pairwise

import postgast
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbkit.source.lexer import ScriptSyntaxError, pieces, without_data

TRICKY = [
    "SELECT 1; SELECT 2;",
    "SELECT ';'; SELECT E'\\';'; SELECT 'it''s;';",
    'SELECT ";" FROM t; SELECT """;""" FROM t;',
    "SELECT $$;$$; SELECT $a$ $$;$$ ; $a$; SELECT $é$;$é$;",
    "/* ; /* ; */ ; */ SELECT 1; -- ;\nSELECT 2;",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END; SELECT 2;",
    "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3;",
    "DO $$ BEGIN PERFORM 1; END $$; SELECT 1;",
    "SELECT 1 AS a$b$; SELECT $1; SELECT 2;",
    "SELECT U&'\\0041;'; SELECT B'1'; SELECT x[1:2] FROM t;",
    "PREPARE p AS SELECT $1; SELECT 'a'\n'b;';",
]


@pytest.mark.parametrize("script", TRICKY)
def test_statements_end_where_the_parser_says(script: str) -> None:
    ours = [piece.text.rstrip().rstrip(";").rstrip() for piece in pieces(script)]

    theirs = [script.encode()[s.stmt_location : s.stmt_location + s.stmt_len].decode().strip() for s in postgast.parse(script).stmts]
    assert len(ours) == len(theirs)
    assert all(text.endswith(statement) for text, statement in zip(ours, theirs, strict=True))


@given(st.lists(st.sampled_from([*TRICKY, "COPY t FROM stdin;\n1\t;\n'\n\\.\n", "\n", "-- it's\n"]), max_size=6))
def test_the_pieces_and_the_closing_lines_are_the_script(parts: list[str]) -> None:
    script = "\n".join(parts)

    found = list(pieces(script))

    for piece, after in pairwise(found):
        between = script[piece.start + len(piece.text) : after.start]
        assert between in ({"\\.\n", "\\."} if piece.kind == "data" else {"", "\n"})
    assert all(script[piece.start : piece.start + len(piece.text)] == piece.text for piece in found)
    assert without_data(script).count("\n") == script.count("\n")


@pytest.mark.parametrize(
    ("script", "line", "said"),
    [
        ("SELECT 1;\nSELECT 'a", 2, "quoted string"),
        ('\n\nSELECT "a', 3, "quoted identifier"),
        ("SELECT $$\n\n", 1, "dollar-quoted string"),
        ("\n/* /* */", 2, "comment"),
        ("COPY t FROM stdin;\n1\n2\n", 1, "without an end of its data"),
    ],
)
def test_what_is_not_terminated_is_named_where_it_begins(script: str, line: int, said: str) -> None:
    with pytest.raises(ScriptSyntaxError, match=said) as caught:
        list(pieces(script))

    assert caught.value.line == line
