"""A Lua text as tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["name", "keyword", "number", "string", "symbol", "end"]
KEYWORDS = frozenset(
    "and break do else elseif end false for function if in local nil not or repeat return then true until while".split()  # noqa: SIM905
)

_TOKEN = re.compile(
    r"""
      (?P<space>\s+ | --\[(?P<c>=*)\[.*?\](?P=c)\] | --(?!\[=*\[)[^\n]*)
    | (?P<number>0[xX][0-9a-fA-F]+ | (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?!\w)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<string>"(?:\\.|\\\n|[^"\\\n])*" | '(?:\\.|\\\n|[^'\\\n])*' | \[(?P<s>=*)\[.*?\](?P=s)\])
    | (?P<symbol>\.\.\.|\.\.|==|~=|<=|>=|[-+*/%^\#<>=(){}\[\];:,.])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(\d{1,3}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


class LuaSyntaxError(Exception):
    """Not Lua 5.1, at that character."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text; `text` of a string is what it holds."""

    kind: Kind
    text: str
    at: int


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens and, behind them, one of kind `end`."""
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise LuaSyntaxError("an unfinished string or comment, or a character that Lua does not know", at)
        match found.lastgroup if found["space"] is None else "space":
            case "number":
                yield Token("number", found[0], at)
            case "word":
                yield Token("keyword" if found[0] in KEYWORDS else "name", found[0], at)
            case "symbol":
                yield Token("symbol", found[0], at)
            case "space":
                pass
            case _:
                yield Token("string", _content(found[0]), at)
        at = found.end()
    yield Token("end", "the end", len(text))


def _content(text: str) -> str:
    if text[0] == "[":
        opening = text.index("[", 1) + 1
        return text[opening:-opening].removeprefix("\n")

    def unescaped(found: re.Match[str]) -> str:
        return chr(int(found[1])) if found[1].isdigit() else _ESCAPED.get(found[1], found[1])

    return _ESCAPE.sub(unescaped, text[1:-1])
