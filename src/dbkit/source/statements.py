"""What a script says, by PostgreSQL's own parser (libpg_query)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from dbkit.errors import ConfigurationError
from dbkit.source import lexer
from dbkit.source.blocks import Block
from dbkit.source.lexer import ScriptSyntaxError


@dataclass(frozen=True, slots=True)
class Statement:
    """One top-level statement; `line` is where its first word stands in the script."""

    text: str
    line: int
    kind: str
    node: Any


def parser_major() -> int:
    """Return the major version of PostgreSQL whose grammar the parser knows."""
    import postgast

    return int(postgast.parse("").version) // 10000


def parse(script: str) -> list[Statement]:
    """Split and parse a script; the data of a COPY belongs to its statement. Raises ScriptSyntaxError."""
    return _parse(lexer.without_data(script))


def _parse(script: str) -> list[Statement]:
    import postgast

    try:
        tree = postgast.parse(script)
    except postgast.PgQueryError as exc:
        raise _syntax_error(script, exc.message, exc.cursorpos) from exc
    data = script.encode()
    statements = []
    line, counted = 1, 0
    for raw in tree.stmts:
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(data)
        start = _skip_comments(data, raw.stmt_location, end)
        line, counted = line + data.count(b"\n", counted, start), start
        node = raw.stmt
        kind = node.WhichOneof("node") or ""
        statements.append(Statement(text=data[start:end].decode().strip(), line=line, kind=kind, node=getattr(node, kind)))
    return statements


def parse_known(script: str) -> list[Statement]:
    """Do what `parse` does, but take a statement that the parser does not know (a newer server may) as of kind `unknown`.

    Raises ScriptSyntaxError where it is not even known where statements end, and for a command of psql.
    """
    try:
        return parse(script)
    except ScriptSyntaxError:
        found: list[Statement] = []
    for piece in lexer.pieces(script):
        if piece.kind == "data":
            continue
        before = script.count("\n", 0, piece.start)
        try:
            found += [replace(statement, line=statement.line + before) for statement in _parse(piece.text)]
        except ScriptSyntaxError as exc:
            if exc.hint:
                raise ScriptSyntaxError(exc.message, exc.line + before, exc.hint) from None
            text = piece.text.encode()
            start = _skip_comments(text, 0, len(text))
            line = before + text.count(b"\n", 0, start) + 1
            found.append(Statement(text[start:].decode().strip().rstrip(";"), line, "unknown", lexer.statement(piece.text, 0)))
    return found


def in_blocks(blocks: Iterable[Block]) -> Iterator[Statement]:
    """Yield the statements of a large script but for those that only read and write rows."""
    for block in blocks:
        if block.kind == "sql" and not block.rows_only:
            yield from at_line(parse_known(closed(block)), block.line)


def closed(block: Block) -> str:
    """Return the block's text, a COPY at its end with no data."""
    return f"{block.text}\n\\.\n" if block.copies else block.text


def at_line(statements: Iterable[Statement], first: int) -> Iterator[Statement]:
    """Yield statements whose text begins at line `first` of a script."""
    return (replace(statement, line=statement.line + first - 1) for statement in statements)


_BETWEEN = re.compile(rb"(?:\s+|--[^\n]*|/\*.*?\*/|;)+", re.DOTALL)


def _skip_comments(data: bytes, start: int, end: int) -> int:
    """Return where the first word after white space and comments stands."""
    match = _BETWEEN.match(data, start, end)
    return match.end() if match else start


def _syntax_error(script: str, message: str, cursor: int) -> ScriptSyntaxError:
    position = max(cursor - 1, 0)
    line = script.count("\n", 0, position) + 1
    if meta := re.match(r"\\(\S*)", script[position:]) or re.match(r"\\(\S*)", script.split("\n")[line - 1].strip()):
        return ScriptSyntaxError(
            f"psql's command \\{meta[1]} is not SQL",
            line,
            "only psql knows it: write the SQL that it stands for",
        )
    near, quoted, text = message.partition(' at or near "')
    first = text.removesuffix('"').partition("\n")[0]
    shown = f"{first[:60]}…" if len(text) > len(first) + 1 or len(first) > 60 else first
    hint = "what opens here is not closed before the end of the file" if near.startswith("unterminated") else None
    return ScriptSyntaxError(f'{near}{quoted}{shown}"' if quoted else message, line, hint)


def strip_restrict(script: str) -> str:
    """Blank the `\\restrict` and `\\unrestrict` lines that pg_dump writes, keeping line numbers."""
    return re.sub(r"(?m)^\\(un)?restrict [A-Za-z0-9]+$", "", script)


def excerpt(text: str, line: int, *, around: int = 2, begins: int = 1) -> str:
    """Return the numbered lines around `line`, which a `>` marks; the text's first one has the number `begins`."""
    lines = text.split("\n")
    first, last = max(line - begins - around, 0), min(line - begins + 1 + around, len(lines))
    width = len(str(last - 1 + begins))
    numbered = ((number + begins, lines[number]) for number in range(first, last))
    return "\n".join(f"{'>' if number == line else ' '} {number:>{width}} | {shown[:200]}".rstrip() for number, shown in numbered)


def refuse_syntax(script: str, where: str) -> list[Statement]:
    """Parse, turning a syntax error into a ConfigurationError at `where` (a file)."""
    try:
        return parse(script)
    except ScriptSyntaxError as exc:
        raise ConfigurationError(exc.message, where=f"{where}:{exc.line}", hint=exc.hint) from exc
