import re
from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.lua import place, without_strings
from dbkit.lint.rules import Rule

_FUNCTION = re.compile(r"(?m)(?<!local )(?<![\w.(,={])\bfunction[ \t]+(\w+)[ \t]*\(")


def _look(text: str) -> Iterator[Hit]:
    code = without_strings(text)
    for match in _FUNCTION.finditer(code):
        line, column = place(code, match.start())
        yield Hit(line, f"function {match[1]} is global: write local function {match[1]}", column)


RULE = Rule(
    level="error",
    summary="A function in a Redis script is local.",
    why="Redis refuses a script that makes a global, when the line is reached and not when the script is loaded.",
    bad="function total(lines)\n    return #lines\nend\nreturn total(KEYS)\n",
    good="-- function total(lines)\nlocal function total(lines)\n    return #lines\nend\nreturn total(KEYS)\n",
    lua=_look,
)
