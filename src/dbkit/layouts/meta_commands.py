"""psql's own commands in a script: the few that can be done without psql are, the others stay and are named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dbkit.errors import ConfigurationError
from dbkit.layouts.steps import Text
from dbkit.source import lexer
from dbkit.source.templates import identifier, literal, read_source

# what only psql's own output and error handling know
OF_PSQL = frozenset(
    {
        "AUTOCOMMIT", "COMP_KEYWORD_CASE", "ECHO", "ECHO_HIDDEN", "FETCH_COUNT", "HIDE_TABLEAM", "HISTSIZE", "ON_ERROR_STOP",
        "ON_ERROR_ROLLBACK", "QUIET", "SHOW_CONTEXT", "SINGLELINE", "VERBOSITY",
    }
)  # fmt: skip
DROPPED = frozenset({"a", "echo", "o", "pset", "qecho", "t", "timing", "warn", "x"})
VARIABLE = re.compile(r""":(?:(\w+)|'(\w+)'|"(\w+)")""")
BEGINS_COPY = re.compile(r"(?is)(?:\s|--[^\n]*\n|/\*.*?\*/)*copy\b[^;]*\bfrom\s+stdin\b")
END_OF_DATA = re.compile(r"(?m)^\\\.$")
ARGUMENT = re.compile(r"""'((?:[^'\\]|\\.|'')*)'|:(\w+)|([^\s':`]+|:)|(`)|(\s+)""")


@dataclass(slots=True)
class Includes:
    """Where included files are looked for, and which were found."""

    folder: Path
    seen: set[Path] = field(default_factory=set)
    open: list[Path] = field(default_factory=list)

    def find(self, name: str, beside: Path, where: str, *, relative: bool) -> Path:
        """Return the file: of the folder, as psql that was started there sees it, or beside the file that includes it."""
        places = [beside.parent / name] if relative else [self.folder / name, beside.parent / name]
        found = next((place.resolve() for place in places if place.is_file()), None)
        if found is None:
            raise ConfigurationError(
                f"no file {name!r} to include", where=where, hint="looked in " + ", ".join(str(p.parent) for p in places)
            )
        if not found.is_relative_to(self.folder.resolve()):
            raise ConfigurationError(
                f"{name!r} is outside of the folder", where=where, hint="put it into the folder, or its text into this file"
            )
        if found in self.open:
            raise ConfigurationError(f"{name!r} includes itself", where=where)
        return self.folder / found.relative_to(self.folder.resolve())


def plain_sql(path: Path, variables: dict[str, str], includes: Includes) -> Text:
    r"""Return the script with what psql would have done to it, as far as that needs no psql.

    `\i` and `\ir` become the text of the file, `\set` and the variables given are filled in outside of literals; `\echo`
    and what is psql's own go. Everything else stays as it is. Raises ConfigurationError for a file that can't be found.
    """
    script = _Script(path, dict(variables), includes)
    return Text("".join(script.expand(path)), notes=tuple(dict.fromkeys(script.notes)), doubts=tuple(dict.fromkeys(script.doubts)))


@dataclass(slots=True)
class _Script:
    path: Path
    variables: dict[str, str]
    includes: Includes
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def expand(self, path: Path) -> Iterator[str]:
        """Yield the pieces of a file, its commands and variables replaced."""
        text = read_source(path)
        self.includes.open.append(path.resolve())
        position = statement = 0
        while match := lexer.TOKEN.match(text, position):
            word, start = match.group(), position
            position = lexer.end_of(text, match)
            if word == "\\" and not text.startswith("\\.", start):
                end = text.find("\n", start)
                position = len(text) if end < 0 else end
                yield from self.command(text[start:position], path, text.count("\n", 0, start) + 1)
                statement = position
            elif word == ":":
                replaced, position = self.variable(text, start)
                yield replaced
            elif word == ";":
                if BEGINS_COPY.match(text, statement, position):
                    closing = END_OF_DATA.search(text, position)
                    position = closing.end() if closing else len(text)
                statement = position
                yield text[start:position]
            else:
                yield text[start:position]
        self.includes.open.pop()

    def variable(self, text: str, start: int) -> tuple[str, int]:
        """Return what stands for a colon, and where the text goes on: `::` is a cast, an unknown name stays."""
        if text.startswith("::", start):
            return "::", start + 2
        match = VARIABLE.match(text, start)
        if not match:
            return ":", start + 1
        bare, quoted, name = match.groups()
        value = self.variables.get(bare or quoted or name)
        if value is None:
            return match[0], match.end()
        self.notes.append(f"variable {bare or quoted or name} filled")
        return value if bare else literal(value) if quoted else identifier(value), match.end()

    def command(self, line: str, path: Path, number: int) -> Iterator[str]:
        r"""Yield what stands for a command: nothing for `\set` and `\echo`, the text for `\i`, itself for the rest."""
        name, _, rest = line[1:].rstrip().partition(" ")
        where = f"{path}:{number}"
        if name in {"i", "include", "ir", "include_relative"}:
            found = self.includes.find(self.value(rest) or "", path, where, relative=name in {"ir", "include_relative"})
            self.includes.seen.add(found)
            self.notes.append(f"the text of {found.relative_to(self.includes.folder)} put in its place")
            yield from self.expand(found)
        elif name == "set" and (value := self.value(rest.partition(" ")[2])) is not None:
            variable = rest.partition(" ")[0]
            if variable not in OF_PSQL:
                self.variables[variable] = value
            self.notes.append(f"\\set {variable} carried out")
        elif name == "unset" and rest == "ON_ERROR_STOP":
            self.doubts.append("errors after \\unset ON_ERROR_STOP were passed over: here the first one ends the migration")
        elif name == "unset":
            self.variables.pop(rest, None)
        elif name in DROPPED:
            self.notes.append(f"\\{name} left out")
        else:
            if name == "set":
                self.doubts.append("a shell command in backticks, which is never run: write the value")
            yield line

    def value(self, argument: str) -> str | None:
        """Return an argument as psql reads it, its parts joined; None where a shell command is in it."""
        parts = []
        for quoted, name, bare, backtick, _space in ARGUMENT.findall(argument):
            if backtick:
                return None
            parts.append(self.variables.get(name, f":{name}") if name else bare or quoted.replace("''", "'"))
        return "".join(parts)
