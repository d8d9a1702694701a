"""A script in blocks: whole statements, or data of a COPY, so that no size of file needs memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from dbkit.source import lexer
from dbkit.source.lexer import ScriptSyntaxError, refuse_behind_copy

BLOCK = 1 << 18  # characters

# Statements that only read and write rows: most of any large file. No check has anything against one of them, so they
# are told apart here and not parsed; whatever this pattern is not sure of (a comment within, $$) goes the long way.
_SKIP = r"(?:[ \t\n\r\f\v]|--[^\n]*+\n)*+"
_ESCAPED = r"[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+"
# the classes of letters are told by what is none in ASCII: a range up to U+10FFFF takes 6 ms to compile
_LETTER, _LETTER_OR_DIGIT = r"[^\x00-@\[-^`{-\x7f]", r"[^\x00-#%-/:-@\[-^`{-\x7f]"
_INSIDE = rf"""(?:
    [\x00-!\#%&(-,.0-:<-@\[\]^`{{-\x7f]++
    |[eE]'{_ESCAPED}'(?:\s*\n\s*'{_ESCAPED}')*+
    |{_LETTER}{_LETTER_OR_DIGIT}*+
    |'[^']*+(?:''[^']*+)*+'
    |"[^"]*+"
    |\$[0-9]
    |--[^\n]*+
    |-
    |/(?!\*)
)"""
# a function's body in dollar quotes; one that begins with ATOMIC has semicolons of its own
_FUNCTION = rf"""(?i:create\s++(?:or\s++replace\s++)?+(?:function|procedure))\b(?:
    \$(?P<tag>(?:{_LETTER}\w*+)?+)\$ (?:[^$]++|(?!\$(?P=tag)\$)\$)*+ \$(?P=tag)\$
    |(?!(?i:atomic)\b){_INSIDE}
)*+"""
_ROW = rf"{_SKIP}(?i:insert|update|delete|merge|select|values|with)\b"
ROWS = re.compile(rf"(?:{_ROW}{_INSIDE}*+;)*+", re.VERBOSE | re.DOTALL)
OTHERS = re.compile(rf"(?:{_SKIP}(?:{_FUNCTION}|(?!(?i:create|copy)\b)(?=[A-Za-z]){_INSIDE}*+);)*+", re.VERBOSE | re.DOTALL)
OPEN_ROW = re.compile(rf"{_ROW}{_INSIDE}*+(?:[eE]?'{_ESCAPED}\\?|'(?:[^']|'')*+|\"[^\"]*+)?+\Z", re.VERBOSE | re.DOTALL)
END_OF_DATA = re.compile(r"\\\.\r?(?:\n|\Z)")
META = re.compile(r"\s*\\[^\n]*\n")
RESTRICT = re.compile(r"(?m)^\\(?:un)?restrict [A-Za-z0-9]+$")


@dataclass(frozen=True, slots=True)
class Block:
    """Whole statements, or lines of data for the COPY that ends the block before; `line` is its first, from 1.

    `rows_only` says that no statement does more than read and write rows, `copies` that the last one waits for data, `last` that no more
    data follows.
    """

    kind: Literal["sql", "data"]
    text: str
    line: int
    rows_only: bool = False
    copies: bool = False
    last: bool = True


@dataclass(slots=True)
class _Window:
    """What was read of a script and not yet passed on."""

    chunks: Iterator[str]
    text: str = ""
    line: int = 1
    is_last: bool = False

    def read(self) -> None:
        """Read a block more, or as much again as there is: a statement of any length costs no more than twice its reading."""
        wanted = max(BLOCK, len(self.text))
        parts = [self.text]
        while wanted > 0 and not self.is_last:
            chunk = next(self.chunks, None)
            self.is_last = chunk is None
            parts.append(chunk or "")
            wanted -= len(parts[-1])
        self.text = "".join(parts)

    def take(self, end: int) -> str:
        taken, self.text = self.text[:end], self.text[end:]
        self.line += taken.count("\n")
        return taken


def blocks(chunks: Iterable[str]) -> Iterator[Block]:
    """Yield a script that comes in chunks; pg_dump's \\restrict lines are blanked.

    Raises ScriptSyntaxError for what is not terminated, at the line where it begins.
    """
    window = _Window(iter(chunks))
    while window.text or not window.is_last:
        end, rows_only, copies = _whole_statements(window)
        if not end:
            window.read()
            continue
        line = window.line
        text = RESTRICT.sub("", window.take(end)) if not rows_only else window.take(end)
        if copies or not _is_blank(text):
            yield Block("sql", text, line, rows_only=rows_only, copies=copies)
        if copies:
            yield from _data(window)


def _whole_statements(window: _Window) -> tuple[int, bool, bool]:
    """Return where the last whole statement of the window ends, a COPY at the latest; if all are rows only; if it is a COPY."""
    text, position, rows_only = window.text, 0, True
    while position < len(text):
        rows = ROWS.match(text, position)
        if rows and rows.end() > position:
            position = rows.end()
            continue
        others = OTHERS.match(text, position)
        if others and others.end() > position:
            position, rows_only = others.end(), False
            continue
        if not window.is_last and OPEN_ROW.match(text, position):
            break
        if meta := META.match(text, position):  # the parser names it; \restrict is taken out
            position, rows_only = meta.end(), False
            continue
        try:
            found = lexer.statement(text, position)
        except ScriptSyntaxError as exc:
            if window.is_last:
                raise ScriptSyntaxError(exc.message, window.line + exc.line - 1, exc.hint) from None
            break
        if not (found.is_terminated or window.is_last):
            break
        rows_only = rows_only and text[position : found.end].isspace()
        position = found.end
        if found.is_terminated and found.copies_in:
            return position, False, True
    return position, rows_only, False


def _is_blank(text: str) -> bool:
    """Say whether nothing is in the text that a server would answer."""
    return len(text) < BLOCK and re.fullmatch(r"(?:\s|;|--[^\n]*)*", text) is not None


def _data(window: _Window) -> Iterator[Block]:
    r"""Yield the lines up to `\.`, and read past that line."""
    copy = window.line
    while "\n" not in window.text and not window.is_last:
        window.read()
    refuse_behind_copy(window.take(window.text.find("\n") + 1 or len(window.text)), copy)
    while not (closing := _end_of_data(window)):
        if window.is_last:
            raise ScriptSyntaxError("COPY … FROM stdin without an end of its data", copy, r"close the data with a line \.")
        line, end = window.line, window.text.rfind("\n") + 1
        if end:
            yield Block("data", window.take(end), line, last=False)
        window.read()
    line = window.line
    yield Block("data", window.take(closing.start()), line)
    window.take(closing.end() - closing.start())


def _end_of_data(window: _Window) -> re.Match[str] | None:
    r"""Find the line `\.`, if the window has all of it."""
    position = window.text.find("\\.")
    while position >= 0:
        closing = END_OF_DATA.match(window.text, position)
        if closing and (not position or window.text[position - 1] == "\n") and (closing.group().endswith("\n") or window.is_last):
            return closing
        position = window.text.find("\\.", position + 1)
    return None
