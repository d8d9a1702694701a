"""Lua scripts: read with their headers, loaded as scripts and as one function library."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError, DbkitError, nearest
from dbkit.redis.connect import major_version
from dbkit.source.templates import read_source

if TYPE_CHECKING:
    import redis

    from dbkit.project.manifest import Project

FUNCTIONS_SINCE = 7
SECTIONS = ("KEYS", "ARGV", "RULES", "RETURNS", "ERRORS", "FLAGS")


@dataclass(frozen=True, slots=True)
class LuaScript:
    """One command. `body` has its includes pasted; `rules` names the numbers that end ARGV."""

    name: str
    path: Path
    body: str
    purpose: str
    keys: tuple[str, ...]
    arguments: tuple[str, ...]
    rules: tuple[str, ...]
    errors: tuple[str, ...]
    flags: tuple[str, ...]

    def source(self, major: int) -> str:
        """Return the text for SCRIPT LOAD; the `#!lua` line is for servers that know it."""
        if major < FUNCTIONS_SINCE:
            return self.body
        flags = f" flags={','.join(self.flags)}" if self.flags else ""
        return f"#!lua{flags}\n{self.body}"

    def sha(self, major: int) -> str:
        """Return the SHA-1 by which EVALSHA names the script on such a server."""
        return hashlib.sha1(self.source(major).encode()).hexdigest()  # noqa: S324 Redis names scripts so


def load_scripts(project: Project, service: str) -> list[LuaScript]:
    """Read every script of a service, sorted by name."""
    folder = project.folder(service, "scripts")
    library = project.root / "lua" / "_lib"
    scripts = [_read(path, library) for path in sorted(folder.glob("*.lua"))] if folder.is_dir() else []
    rules = project.service(service).rules
    for script in scripts:
        for rule in script.rules:
            if rule not in rules:
                raise ConfigurationError(
                    f"{script.name} wants the rule {rule!r}, which [services.{service}.rules] does not have{nearest(rule, list(rules))}",
                    where=f"{script.path}:1",
                )
    return scripts


def _read(path: Path, library: Path) -> LuaScript:
    text = read_source(path)
    header = re.match(r"\s*--\[\[\n(.*?)\]\]", text, re.DOTALL)
    if not header:
        raise ConfigurationError(
            "the script has no header", where=f"{path}:1", hint="--[[ name: purpose, then KEYS, ARGV, RETURNS, ERRORS ]]"
        )
    sections = _sections(header[1])
    return LuaScript(
        name=path.stem,
        path=path,
        body=_paste(text, library, path),
        purpose=" ".join(sections["purpose"]).partition(":")[2].strip(),
        keys=_numbered(sections["KEYS"]),
        arguments=_numbered(sections["ARGV"]),
        rules=tuple(re.findall(r"\b[a-z][a-z0-9_]+\b", re.sub(r"\(.*?\)", "", " ".join(sections["RULES"]), flags=re.DOTALL))),
        errors=tuple(word for line in sections["ERRORS"] for word in re.findall(r"^\s*([A-Z][A-Z0-9]+)\b", line)),
        flags=tuple(re.findall(r"no-writes|allow-oom|allow-stale|no-cluster|allow-cross-slot-keys", " ".join(sections["FLAGS"]))),
    )


def _sections(header: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {name: [] for name in ("purpose", *SECTIONS)}
    current = "purpose"
    for line in header.splitlines():
        if line.strip() in SECTIONS:
            current = line.strip()
        elif line.strip():
            found[current].append(line)
    return found


def _numbered(lines: list[str]) -> tuple[str, ...]:
    return tuple(match[1] for line in lines if (match := re.match(r"\s*\d+(?:\.\.)?\s+(\w+)", line)))


def _paste(text: str, library: Path, path: Path) -> str:
    """Replace each `-- include: name` line by lua/_lib/name.lua, one level deep."""

    def included(match: re.Match[str]) -> str:
        piece = library / f"{match[1]}.lua"
        if not piece.is_file():
            known = [found.stem for found in library.glob("*.lua")]
            line = text.count("\n", 0, match.start()) + 1
            raise ConfigurationError(f"no {match[1]!r} in {library}{nearest(match[1], known)}", where=f"{path}:{line}")
        return read_source(piece).rstrip("\n")

    return re.sub(r"(?m)^-- include: (\w+)\s*$", included, text)


def library_name(project: Project, service: str) -> str:
    """Return the name of the service's function library."""
    return f"{project.name}_{service}"


def library_source(project: Project, service: str, scripts: Sequence[LuaScript]) -> str:
    """Return the function library: the same bodies, each a function of KEYS and ARGV."""
    parts = [f"#!lua name={library_name(project, service)}"]
    for script in scripts:
        flags = f", flags = {{ {', '.join(repr(flag) for flag in script.flags)} }}" if script.flags else ""
        head = f"redis.register_function{{ function_name = '{script.name}'{flags}, callback = function(KEYS, ARGV)"
        parts.append(f"{head}\n{script.body.rstrip()}\nend }}")
    return "\n".join(parts) + "\n"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Which scripts the server has. `library` is None on servers without functions."""

    present: tuple[str, ...]
    missing: tuple[str, ...]
    library: bool | None

    @property
    def is_current(self) -> bool:
        return not self.missing and self.library is not False


def loaded(client: redis.Redis, project: Project, service: str, scripts: Sequence[LuaScript]) -> Loaded:
    """Compare the server's script cache and library with the files. Writes nothing."""
    major = major_version(client)
    known = client.script_exists(*(script.sha(major) for script in scripts)) if scripts else []
    found: dict[bool, list[str]] = {True: [], False: []}
    for script, exists in zip(scripts, known, strict=True):
        found[bool(exists)].append(script.name)
    library = _library_code(client, library_name(project, service)) if major >= FUNCTIONS_SINCE else None
    same = library == library_source(project, service, scripts) if major >= FUNCTIONS_SINCE else None
    return Loaded(tuple(found[True]), tuple(found[False]), same)


def _library_code(client: redis.Redis, name: str) -> str | None:
    """Return the library's text; None where a primary lacks it, or two have different ones."""
    answer: Any = client.execute_command(  # type: ignore[no-untyped-call]
        "FUNCTION LIST", "LIBRARYNAME", name, "WITHCODE"
    )
    codes = {_code(found) for found in (answer.values() if isinstance(answer, dict) else [answer])}
    return codes.pop() if len(codes) == 1 else None


def _code(libraries: list[Any]) -> str | None:
    for library in libraries:
        pairs = dict(library) if isinstance(library, dict) else dict(zip(library[::2], library[1::2], strict=False))
        return str(pairs["library_code"])
    return None


def load(client: redis.Redis, project: Project, service: str, scripts: Sequence[LuaScript]) -> None:
    """Load every script, and the library where the server has functions."""
    import redis as driver

    major = major_version(client)
    for script in scripts:
        try:
            client.script_load(script.source(major))
        except driver.ResponseError as exc:
            raise DbkitError(f"the server does not take {script.name}: {exc}", where=f"{script.path}:1") from exc
    if major >= FUNCTIONS_SINCE and scripts:
        try:
            client.function_load(library_source(project, service, scripts), replace=True)
        except driver.ResponseError as exc:
            raise DbkitError(f"the server does not take the library {library_name(project, service)}: {exc}") from exc


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls a service's scripts by name; the rules' numbers are added to ARGV."""

    client: redis.Redis
    scripts: Mapping[str, LuaScript]
    rules: Mapping[str, Any]
    major: int

    def call(self, name: str, keys: Sequence[str], arguments: Sequence[object] = ()) -> Any:
        """Run by EVALSHA; where the server has forgotten the script, by EVAL."""
        import redis as driver

        if name not in self.scripts:
            raise ConfigurationError(f"no script {name!r}{nearest(name, list(self.scripts))}")
        script = self.scripts[name]
        values = [*keys, *map(str, arguments), *(str(self.rules[rule]) for rule in script.rules)]
        try:
            return self.client.evalsha(script.sha(self.major), len(keys), *values)
        except driver.exceptions.NoScriptError:
            return self.client.eval(script.source(self.major), len(keys), *values)


def caller(client: redis.Redis, project: Project, service: str) -> Caller:
    """Return what calls the scripts of a service over this client."""
    scripts = load_scripts(project, service)
    return Caller(client, {script.name: script for script in scripts}, project.service(service).rules, major_version(client))
