"""The `-- key: value` lines at the top of a source file."""

from __future__ import annotations

import re

from dbkit.errors import ConfigurationError

MIGRATION_HEADERS = ("depends", "transactional", "backfill", "irreversible", "allow", "squashes")
ROLLBACK_HEADERS = ("transactional", "allow")
ROUTINE_HEADERS = ("depends", "phase", "server")
REPEATABLE = "squashes"  # a line each, so that a long list can be read

_ELSEWHERE = {"backfill": "a migration", "depends": "a migration or a routine", "irreversible": "a migration"} | {
    "phase": "a routine",
    "server": "a routine",
}

# what nobody writes in prose, so that a comment is one and a setting without effect is not
_SETTING = re.compile(r"true|false|on|off|[0-9]+ ?(?:ms|s|min|h|MB|kB|GB)")
_LINE = re.compile(r"--\s*([A-Za-z_-]+)\s*([:=])\s*(.*?)\s*$")


def read_headers(text: str, known: tuple[str, ...], where: str) -> dict[str, str]:
    """Return the headers of the leading comment lines.

    `where` is the file, for errors. Raises ConfigurationError for a misspelt, repeated or misplaced header, and for a
    setting that is none; any other comment is prose.
    """
    found: dict[str, str] = {}
    body = 0
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.startswith("--"):
            break
        body = number
        match = _LINE.match(line)
        if not match:
            continue
        key, sign, value = match.groups()
        if key in known and sign == ":":
            if key in found and key != REPEATABLE:
                raise ConfigurationError(f"the header {key!r} stands twice", where=f"{where}:{number}")
            found[key] = f"{found[key]} {value}" if key in found else value
        elif close := _close(key.lower(), known):
            raise ConfigurationError(
                f"the header {key + sign!r} is not one; did you mean '{close[0]}:'?",
                where=f"{where}:{number}",
                hint=f"headers: {', '.join(known)}, in lower case, with a colon",
            )
        elif sign == ":" and (key in _ELSEWHERE or _SETTING.fullmatch(value)):
            raise ConfigurationError(
                f"the header {key!r} belongs into {_ELSEWHERE[key]}" if key in _ELSEWHERE else f"there is no header {key!r}",
                where=f"{where}:{number}",
                hint=f"headers here: {', '.join(known)}",
            )
    lowered = text.lower()
    if any(f"{key}:" in lowered for key in known):
        refuse_misplaced(text, body, known, where)
    return found


def _close(key: str, known: tuple[str, ...]) -> list[str]:
    import difflib

    return difflib.get_close_matches(key, known, n=1, cutoff=0.8)


def refuse_misplaced(text: str, body: int, known: tuple[str, ...], where: str, begins: int = 1) -> None:
    """Refuse a header below line `body`, where it would be a comment without effect. The text's first line is `begins`."""
    for match in re.finditer(rf"(?mi)^--[ \t]*({'|'.join(known)})[ \t]*:\s", text + "\n"):
        line = text.count("\n", 0, match.start()) + begins
        if line > body:
            raise ConfigurationError(
                f"the header {match[1]!r} stands below the first statement, where it has no effect",
                where=f"{where}:{line}",
                hint="move it to the first lines of the file",
            )


def boolean(headers: dict[str, str], key: str, *, default: bool, where: str) -> bool:
    """Read a header that says true or false."""
    value = headers.get(key)
    if value is None:
        return default
    if value not in {"true", "false"}:
        raise ConfigurationError(f"{key} must be true or false, not {value!r}", where=f"{where}:1")
    return value == "true"
