"""Where statements end, and which lines are the data of a COPY: by PostgreSQL's lexical rules, without parsing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from dbkit.errors import DbkitError

_COPIES = re.compile(r"(?i)\bcopy\b[^;]*\bfrom\s+stdin\b")
TOKEN = re.compile(
    r"""
    (?P<skip>\s+|--[^\n]*)
    |(?P<comment>/\*)
    |(?P<dollar>\$(?:[^\W\d]\w*)?\$)
    |(?P<quoted>[eE]'[^'\\]*(?:(?:\\.|'')[^'\\]*)*'(?:\s*\n\s*'[^'\\]*(?:(?:\\.|'')[^'\\]*)*')*|'[^']*(?:''[^']*)*'|"[^"]*(?:""[^"]*)*")
    |(?P<word>[^\W\d][\w$]*)
    |(?P<open>[(\[])
    |(?P<close>[)\]])
    |(?P<end>;)
    |(?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


class ScriptSyntaxError(DbkitError):
    """The script doesn't parse; `line` is in the rendered text."""

    exit_code = 2

    def __init__(self, message: str, line: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.line = line


@dataclass(frozen=True, slots=True)
class Piece:
    """A statement with its semicolon and what stands before it, or the data lines of the COPY before; `start` is a character."""

    kind: Literal["sql", "data"]
    text: str
    start: int


@dataclass(slots=True)
class Words:
    """The bare words of a statement that is being read, in lower case; `end` is where it stops, behind its semicolon."""

    words: list[str]
    end: int = 0
    is_terminated: bool = False
    depth: int = 0
    atomic: int = 0

    def word(self, word: str) -> None:
        before = self.words[-1] if self.words else ""
        if before == "begin" and word == "atomic":
            self.atomic = 1
        elif self.atomic and word == "case":
            self.atomic += 1
        elif self.atomic and word == "end":
            self.atomic -= 1
        self.words.append(word)

    @property
    def copies_in(self) -> bool:
        pairs = zip(self.words, self.words[1:], strict=False)
        return self.words[:1] == ["copy"] and ("from", "stdin") in pairs


def may_copy(script: str) -> bool:
    """Say whether a COPY … FROM stdin may be in the script: where not, it needs no lexer to be sent or parsed."""
    return "stdin" in script.lower() and _COPIES.search(script) is not None


def statement(script: str, position: int) -> Words:
    """Read the statement that begins at a character. Raises ScriptSyntaxError for what is not terminated, where it begins."""
    found = Words([])
    while match := TOKEN.match(script, position):
        position = end_of(script, match)
        if match.lastgroup == "word":
            found.word(match.group().lower())
        elif match.lastgroup == "open":
            found.depth += 1
        elif match.lastgroup == "close":
            found.depth -= 1
        elif match.lastgroup == "end" and found.depth <= 0 and not found.atomic:
            found.is_terminated = True
            break
    found.end = position
    return found


def pieces(script: str) -> Iterator[Piece]:
    """Yield the statements of a script and, after each COPY … FROM stdin, its data without the closing line.

    Raises ScriptSyntaxError for what is not terminated, at the line where it begins.
    """
    start = 0
    while start < len(script):
        found = statement(script, start)
        yield Piece("sql", script[start : found.end], start)
        start = found.end
        if found.is_terminated and found.copies_in:
            data, start = _data(script, start)
            yield data


def end_of(script: str, match: re.Match[str]) -> int:
    """Return where the text ends that begins there."""
    text = match.group()
    if match.lastgroup == "dollar":
        end = script.find(text, match.end())
        if end < 0:
            raise _unterminated(script, match.start(), f"dollar-quoted string {text}")
        return end + len(text)
    if match.lastgroup == "comment":
        return _end_of_comment(script, match)
    if match.lastgroup == "other" and text in {"'", '"'}:
        raise _unterminated(script, match.start(), "quoted string" if text == "'" else "quoted identifier")
    return match.end()


def _end_of_comment(script: str, opening: re.Match[str]) -> int:
    depth = 0
    for mark in re.compile(r"/\*|\*/").finditer(script, opening.start()):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return mark.end()
    raise _unterminated(script, opening.start(), "comment")


def _unterminated(script: str, position: int, what: str) -> ScriptSyntaxError:
    line = script.count("\n", 0, position) + 1
    return ScriptSyntaxError(f"unterminated {what}", line, "what opens here is not closed before the end of the file")


def _data(script: str, position: int) -> tuple[Piece, int]:
    r"""Return the lines up to `\.` and where the script goes on behind that line."""
    start = script.find("\n", position) + 1
    refuse_behind_copy(script[position : start or len(script)], script.count("\n", 0, position) + 1)
    closing = re.compile(r"(?m)^\\\.\r?$").search(script, start) if start else None
    if closing is None:
        line = script.count("\n", 0, position) + 1
        raise ScriptSyntaxError("COPY … FROM stdin without an end of its data", line, r"close the data with a line \.")
    return Piece("data", script[start : closing.start()], start), min(closing.end() + 1, len(script))


def refuse_behind_copy(rest: str, line: int) -> None:
    """Refuse what stands on the line of a COPY … FROM stdin: the data begins below it, and nothing of that line would be sent."""
    text = rest.lstrip(" \t;").rstrip()
    if text and not text.startswith("--"):
        raise ScriptSyntaxError("COPY … FROM stdin has something behind it on its line", line, "begin a new line behind the data's \\.")


def without_data(script: str) -> str:
    r"""Return the script with the data of its COPY statements and their `\.` blanked; every line stays where it is."""
    if not may_copy(script):
        return script
    kept = []
    end = 0
    for piece in pieces(script):
        kept.append("\n" * script.count("\n", end, piece.start))
        kept.append(piece.text if piece.kind == "sql" else "\n" * piece.text.count("\n"))
        end = piece.start + len(piece.text)
    kept.append("\n" * script.count("\n", end, len(script)))
    return "".join(kept)
