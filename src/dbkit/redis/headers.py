"""The header of a Lua script: what it takes, answers and refuses, as the comment on top of it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dbkit.errors import ConfigurationError, nearest

SECTIONS = ("KEYS", "EACH", "ARGV", "RULES", "RETURNS", "ERRORS", "FLAGS")
FLAGS = ("no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys")
TYPES = ("text", "integer", "flag", "list")

_HEADER = re.compile(r"\s*--\[\[\n(.*?)\]\]", re.DOTALL)
_KEY = re.compile(r"\s+(\d+)(\.\.)?\s+([a-z]\w*)\s+([^\s,]+)(.*)")
_FIELD = re.compile(r"\s+([a-z]\w*)\s+(\w+)(\?)?(?:\(([^)]*)\))?(?:\s+(.*))?")
_PLACEHOLDER = re.compile(r"<([a-z]\w*)(?::(date))?>")
_PLACEHOLDER_ONLY = re.compile(r"<[a-z]\w*(?::date)?>")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A part of a key that the caller gives: text, or a date."""

    name: str
    is_date: bool


@dataclass(frozen=True, slots=True)
class Key:
    """One of KEYS, or with `is_open` any number of them; `pattern` holds `<name>` where the caller's values go."""

    name: str
    pattern: str
    is_open: bool
    line: int

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        return tuple(Placeholder(found[1], found[2] == "date") for found in _PLACEHOLDER.finditer(self.pattern))

    @property
    def hash_tag(self) -> str | None:
        """Return what the server would hash, placeholders and all; None is the whole name."""
        found = re.search(r"\{([^}]+)\}", self.pattern)
        return found[1] if found else None

    @property
    def glob(self) -> str:
        """Return the pattern as SCAN and ACL take it: an asterisk for each placeholder."""
        return "*".join(re.sub(r"([*?\[\]\\])", r"\\\1", part) for part in _PLACEHOLDER_ONLY.split(self.pattern))

    @property
    def shape(self) -> re.Pattern[str]:
        """Return what matches the keys of this pattern, a group for each placeholder: a part of a hash tag holds no brace."""
        tag = self.hash_tag or ""
        parts, end = [], 0
        for found in _PLACEHOLDER.finditer(self.pattern):
            values = r"\d{4}-\d\d-\d\d" if found[2] else r"[^{}]+" if found[0] in tag else ".+"
            parts += [re.escape(self.pattern[end : found.start()]), f"(?P<{found[1]}>{values})"]
            end = found.end()
        return re.compile("".join(parts) + re.escape(self.pattern[end:]), re.DOTALL)

    def filled(self, values: Mapping[str, str]) -> str:
        """Return the key's name with a value in place of each placeholder."""
        return _PLACEHOLDER.sub(lambda found: values[found[1]], self.pattern)


@dataclass(frozen=True, slots=True)
class Field:
    """One of ARGV or RETURNS. `columns` are those of a list's rows; an optional one may be empty."""

    name: str
    type: str
    is_optional: bool
    columns: tuple[Field, ...]
    says: str
    line: int


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """A code that the script refuses with."""

    code: str
    says: str
    line: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a script says of itself. Lines are those of its file.

    `each` names the keys for which dbkit calls it: the script of a migration, or of what `dbkit cleanup` does.
    """

    name: str
    purpose: str
    keys: tuple[Key, ...]
    each: tuple[Key, ...]
    arguments: tuple[Field, ...]
    rules: tuple[str, ...]
    returns: tuple[Field, ...]
    errors: tuple[ErrorCode, ...]
    flags: tuple[str, ...]
    lines: dict[str, int]


def read_header(text: str, path: Path) -> Header:
    """Read the comment on top of a script. Raises ConfigurationError at the line that can't be read."""
    found = _HEADER.match(text)
    if not found:
        raise ConfigurationError(
            "the script has no header", where=f"{path}:1", hint="--[[ name: purpose, then KEYS, ARGV, RULES, RETURNS, ERRORS, FLAGS ]]"
        )
    first = text.count("\n", 0, found.start(1)) + 1
    sections: dict[str, list[tuple[int, str]]] = {name: [] for name in ("", *SECTIONS)}
    lines = {"": first}
    current = ""
    for number, line in enumerate(found[1].splitlines(), first):
        if line.strip() in SECTIONS:
            current = line.strip()
            lines[current] = number
        elif line.strip():
            sections[current].append((number, line))
    name, _, purpose = " ".join(line.strip() for _, line in sections[""]).partition(":")
    keys = tuple(_keys(sections["KEYS"], path))
    return Header(
        name=name.strip(),
        purpose=purpose.strip(),
        keys=keys,
        each=tuple(_each(sections["EACH"], keys, path)),
        arguments=tuple(_fields([(number, _without_number(line)) for number, line in sections["ARGV"]], path)),
        rules=tuple(re.findall(r"[a-z]\w*", re.sub(r"\(.*?\)", "", " ".join(line for _, line in sections["RULES"])))),
        returns=tuple(_fields(sections["RETURNS"], path)),
        errors=tuple(_errors(sections["ERRORS"])),
        flags=tuple(_flags(sections["FLAGS"], path)),
        lines=lines,
    )


def _without_number(line: str) -> str:
    return re.sub(r"^(\s+)\d+\s", r"\1", line)


def _joined(lines: list[tuple[int, str]], start: str) -> Iterator[tuple[int, str]]:
    """Put what goes on over several lines, each deeper than `start`, on one."""
    joined: list[tuple[int, str]] = []
    for number, line in lines:
        if joined and not re.match(start, line):
            joined[-1] = (joined[-1][0], f"{joined[-1][1]} {line.strip()}")
        else:
            joined.append((number, line))
    yield from joined


def _keys(lines: list[tuple[int, str]], path: Path) -> Iterator[Key]:
    for position, (number, line) in enumerate(_joined(lines, r"\s{1,3}\S"), 1):
        found = _KEY.fullmatch(line)
        if not found or int(found[1]) != position:
            raise ConfigurationError(
                f"not key number {position}: {line.strip()!r}", where=f"{path}:{number}", hint="1 cart    cart:{<user_id>}"
            )
        yield Key(found[3], found[4], bool(found[2]), number)


def _each(lines: list[tuple[int, str]], keys: tuple[Key, ...], path: Path) -> Iterator[Key]:
    """Find the keys that are looked for; each must say all that the fixed ones need."""
    by_name = {key.name: key for key in keys}
    needed = {placeholder.name for key in keys if not key.is_open for placeholder in key.placeholders}
    for number, line in lines:
        for name in re.findall(r"[\w-]+", line):
            if name not in by_name:
                raise ConfigurationError(f"KEYS has no {name!r}{nearest(name, list(by_name))}", where=f"{path}:{number}")
            if missing := needed - {placeholder.name for placeholder in by_name[name].placeholders}:
                raise ConfigurationError(
                    f"who finds a key {by_name[name].pattern} does not know <{'>, <'.join(sorted(missing))}> of the other keys",
                    where=f"{path}:{number}",
                    hint="EACH names keys that hold every placeholder of KEYS, but for those of a key `2.. name`",
                )
            yield by_name[name]


def _fields(lines: list[tuple[int, str]], path: Path) -> Iterator[Field]:
    for number, line in _joined(lines, r"\s{1,3}\S"):
        found = _FIELD.fullmatch(line)
        if not found or (found[2] == "list") != (found[4] is not None):
            raise ConfigurationError(
                f"not a name and a type: {line.strip()!r}", where=f"{path}:{number}", hint="quantity    integer    what is added"
            )
        if found[2] not in TYPES:
            raise ConfigurationError(
                f"no type {found[2]!r}{nearest(found[2], list(TYPES))}",
                where=f"{path}:{number}",
                hint="text, integer, flag, list(name type, …)",
            )
        columns = [(number, f"  {column.strip()}") for column in (found[4] or "").split(",") if column.strip()]
        yield Field(found[1], found[2], bool(found[3]), tuple(_fields(columns, path)), found[5] or "", number)


def _errors(lines: list[tuple[int, str]]) -> Iterator[ErrorCode]:
    for number, line in _joined(lines, r"\s{1,3}\S"):
        found = re.fullmatch(r"\s+([A-Z][A-Z0-9]+)\s+(.*)", line)
        if found:
            yield ErrorCode(found[1], found[2], number)


def _flags(lines: list[tuple[int, str]], path: Path) -> Iterator[str]:
    for number, line in lines:
        for flag in re.findall(r"[\w-]+", line.replace("(none)", "")):
            if flag not in FLAGS:
                raise ConfigurationError(f"no flag {flag!r}{nearest(flag, list(FLAGS))}", where=f"{path}:{number}", hint=", ".join(FLAGS))
            yield flag
