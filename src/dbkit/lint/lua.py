"""Lua as the rules see it: the text with its comments blanked, strings where they were."""

from __future__ import annotations

import re

# A long string or comment, a short string, a line comment.
_PIECES = re.compile(
    r"--\[(?P<c>=*)\[.*?\](?P=c)\]|\[(?P<s>=*)\[.*?\](?P=s)\]|--[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'",
    re.DOTALL,
)


def without_comments(text: str) -> str:
    """Return the text with every comment replaced by blanks, line for line."""
    return _PIECES.sub(lambda match: _blank(match[0]) if match[0].startswith("--") else match[0], text)


def without_strings(text: str) -> str:
    """Return the text with comments and the insides of strings replaced by blanks, line for line."""
    return _PIECES.sub(lambda match: _blank(match[0]), text)


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def place(text: str, offset: int) -> tuple[int, int]:
    """Return line and column (from 1) of a character."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
