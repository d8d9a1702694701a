import re
from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.lua import place, without_comments
from dbkit.lint.rules import Rule

_COMMAND = re.compile(r"(?i)\bp?call[ \t]*\([ \t]*[\"'](keys|flushall|flushdb|scan)[\"']")


def _look(text: str) -> Iterator[Hit]:
    code = without_comments(text)
    for match in _COMMAND.finditer(code):
        line, column = place(code, match.start())
        yield Hit(line, f"{match[1].upper()} in a script: it works on every key of the server, and everybody waits", column)


RULE = Rule(
    level="error",
    summary="A script does not search or empty the key space.",
    why="A script holds the whole server while it runs; KEYS and a loop over SCAN take as long as there are keys, "
    "and in a cluster they see one node's only. Let the client scan and call a script for each key.",
    bad='return redis.call("KEYS", "cart:*")\n',
    good='-- redis.call("KEYS", "cart:*")\nreturn redis.call("HGETALL", KEYS[1])\n',
    lua=_look,
)
