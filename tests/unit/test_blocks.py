"""A script in blocks: the same statements and data as in one piece, wherever the chunks end."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbkit.source import checksum
from dbkit.source.blocks import BLOCK, Block, blocks
from dbkit.source.lexer import ScriptSyntaxError, pieces

STATEMENTS = [
    "INSERT INTO t VALUES (1, 'a;b', E'it\\'s; \\\\', \"a;b\"\"\", $1, 2.50, -1);\n",
    "insert into t values ('it''s', 'a'\n  'b;');\n",
    "UPDATE t SET a = 1 -- a ; comment it's\nWHERE b <> 'x' AND c->>'d' = e::text;\n",
    "SELECT 1 /* ; ' */ + 2;\n",
    "SELECT $$;'$$, $a$ $$ ; $a$;\n",
    "DELETE FROM t WHERE a$b$ = 1 AND 3-1 = 2;;\n",
    "INSERT INTO t SELECT E'a' \n 'b\\';';\n",
    "CREATE TABLE Éa (i int DEFAULT 1, t text DEFAULT ';');\n",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END;\n",
    "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);\n",
    "DO $$ BEGIN PERFORM 1; END $$;\n",
    "ALTER TABLE t ADD COLUMN a int;\n",
    "COPY t FROM stdin;\n1\t;'\n\\N\t$$\n\\.\n",
    "COPY t (a) FROM STDIN WITH (FORMAT csv);\n\\.\n",
    "-- it's only a comment;\n",
    "\n\n",
    "WITH a AS (SELECT 1) SELECT * FROM a;\n",
]
scripts = st.lists(st.sampled_from(STATEMENTS), max_size=12).map("".join)


def cut(script: str, size: int) -> list[str]:
    return [script[start : start + size] for start in range(0, len(script), size)]


def content(parts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Join what follows on one another, and leave out what has no statement."""
    result: list[tuple[str, str]] = []
    for kind, text in parts:
        shown = text if kind == "data" else text.replace("-- it's only a comment;", "").strip("\n; ")
        if kind == "data" and result and result[-1][0] == "data":
            result[-1] = (kind, result[-1][1] + shown)
        elif kind == "data" or shown:
            result.append((kind, shown))
    return result


@given(scripts, st.integers(1, 40))
def test_blocks_are_the_script_wherever_its_chunks_end(script: str, size: int) -> None:
    statements = [part for block in blocks(cut(script, size)) for part in _statements(block)]

    assert content(statements) == content([(piece.kind, piece.text) for piece in pieces(script)])


def _statements(block: Block) -> list[tuple[str, str]]:
    if block.kind == "data":
        return [(block.kind, block.text)]
    return [(piece.kind, piece.text) for piece in pieces(block.text + ("\n\\.\n" if block.copies else "")) if piece.kind == "sql"]


@given(scripts, st.integers(1, 40))
def test_a_block_knows_its_line(script: str, size: int) -> None:
    lines = script.split("\n")

    for block in blocks(cut(script, size)):
        first = block.text.split("\n")[0]
        assert lines[block.line - 1].endswith(first)


@given(st.lists(st.sampled_from(STATEMENTS[:3] + STATEMENTS[6:7] + STATEMENTS[16:]), max_size=8))
def test_statements_that_only_touch_rows_are_told_apart(some: list[str]) -> None:
    assert all(block.rows_only for block in blocks(["".join(some)]))


@pytest.mark.parametrize(
    "statement", [s for s in STATEMENTS if s.startswith(("CREATE", "DO", "ALTER", "COPY"))] + ["COMMIT;", "\\echo a\n"]
)
def test_any_other_statement_is_looked_into(statement: str) -> None:
    found = [block for block in blocks([STATEMENTS[0], statement, STATEMENTS[0]]) if block.kind == "sql"]

    assert any(statement.strip() in block.text or block.copies for block in found if not block.rows_only)


@given(scripts, st.integers(1, 60))
def test_the_checksum_of_chunks_is_that_of_the_whole(script: str, size: int) -> None:
    assert checksum.hash_blocks(lambda: cut(script, size)) == checksum.token_hash(script)


@given(scripts)
def test_the_short_way_through_a_text_finds_the_scanners_tokens(script: str) -> None:
    expected = hashlib.sha256()
    for block in blocks([script]):
        tokens = checksum._tokens(block.text.encode(), bodies=True) if block.kind == "sql" else iter([block.text.encode()])
        for token in tokens:
            expected.update(token + b"\x00")

    assert checksum.token_hash(script) == expected.hexdigest()


WORDS = (
    r"""a B é a$b e 1 1.5 .5 1e5 $1 'x' 'It''s' "Q" E'x' N'x' U&'x' :: || - -> ->> = <> != : . , ( ) [ * / % @ ~ && := => .. ? \ /*c*/"""
)
words = st.sampled_from([*WORDS.split(), "--c\n"])


@given(st.lists(st.tuples(words, st.sampled_from(["", " ", "\n", "\t"])), max_size=15))
def test_the_short_way_never_disagrees_with_the_scanner(parts: list[tuple[str, str]]) -> None:
    text = "".join(word + gap for word, gap in parts).encode()

    short = checksum._simple_tokens(text)

    assert not short or short == list(checksum._tokens(text, bodies=True))


@pytest.mark.parametrize("size", [7, BLOCK])
@pytest.mark.parametrize(
    ("script", "line", "said"),
    [
        ("SELECT 1;\nSELECT 'a", 2, "quoted string"),
        ('INSERT INTO t VALUES (1);\n\nSELECT "a', 3, "quoted identifier"),
        ("SELECT 1;\nCREATE TABLE a ();\nDO $$\n\n", 3, "dollar-quoted string"),
        ("SELECT 1;\n/* /* */", 2, "comment"),
        ("SELECT 1;\nCOPY t FROM stdin;\n1\n2\n", 2, "without an end of its data"),
    ],
)
def test_what_is_not_terminated_is_named_where_it_begins(script: str, line: int, said: str, size: int) -> None:
    with pytest.raises(ScriptSyntaxError, match=said) as caught:
        list(blocks(cut(script, size)))

    assert caught.value.line == line


def test_a_statement_longer_than_a_block_stays_whole() -> None:
    rows = ",\n".join(f"({n}, 'it''s {n}')" for n in range(BLOCK // 8))
    script = f"INSERT INTO t VALUES\n{rows};\nCREATE TABLE a ();\n"

    found = list(blocks(cut(script, 4096)))

    assert "".join(block.text for block in found) == script
    assert len(found[0].text) > 2 * BLOCK
