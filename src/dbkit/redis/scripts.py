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
from dbkit.redis.headers import Header, read_header
from dbkit.source.templates import read_source

if TYPE_CHECKING:
    import redis

    from dbkit.project.manifest import Project

FUNCTIONS_SINCE = 7


@dataclass(frozen=True, slots=True)
class Expanded:
    """A script with its includes pasted, and where each of its lines was written."""

    text: str
    origins: tuple[tuple[Path, int], ...]


@dataclass(frozen=True, slots=True)
class LuaScript:
    """One command: its header, and its body as the server gets it."""

    path: Path
    header: Header
    body: str

    @property
    def name(self) -> str:
        return self.path.stem

    def rule_values(self, rules: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the manifest's values behind ARGV, in the order of RULES; a table as `EUR=2 JPY=0`."""
        return tuple(_as_argument(rules[rule]) for rule in self.header.rules)

    def source(self, major: int) -> str:
        """Return the text for SCRIPT LOAD; the `#!lua` line is for servers that know it."""
        if major < FUNCTIONS_SINCE:
            return self.body
        flags = f" flags={','.join(self.header.flags)}" if self.header.flags else ""
        return f"#!lua{flags}\n{self.body}"

    def sha(self, major: int) -> str:
        """Return the SHA-1 by which EVALSHA names the script on such a server."""
        return hashlib.sha1(self.source(major).encode()).hexdigest()  # noqa: S324 Redis names scripts so


def _as_argument(value: Any) -> str:
    return " ".join(f"{name}={number}" for name, number in sorted(value.items())) if isinstance(value, Mapping) else str(value)


def script_paths(project: Project, service: str) -> list[Path]:
    """Return the files of a service's scripts, by name."""
    folder = project.folder(service, "scripts")
    return sorted(folder.glob("*.lua")) if folder.is_dir() else []


def library_folder(project: Project) -> Path:
    """Return where the pieces are that scripts include."""
    return project.root / "lua" / "_lib"


def load_scripts(project: Project, service: str) -> list[LuaScript]:
    """Read every script of a service, sorted by name."""
    scripts = [read_script(project, path) for path in script_paths(project, service)]
    rules = project.service(service).rules
    for script in scripts:
        for rule in script.header.rules:
            if rule not in rules:
                raise ConfigurationError(
                    f"{script.name} wants the rule {rule!r}, which [services.{service}.rules] does not have{nearest(rule, list(rules))}",
                    where=f"{script.path}:{script.header.lines['RULES']}",
                )
    return scripts


def read_script(project: Project, path: Path) -> LuaScript:
    """Read one script."""
    return LuaScript(path, read_header(read_source(path), path), expand(project, path).text)


def expand(project: Project, path: Path) -> Expanded:
    """Replace each `-- include: name` line by lua/_lib/name.lua, one level deep."""
    library = library_folder(project)
    lines: list[str] = []
    origins: list[tuple[Path, int]] = []
    text = read_source(path)
    for number, line in enumerate(text.split("\n"), 1):
        found = re.fullmatch(r"-- include: (\w+)\s*", line)
        if not found:
            lines.append(line)
            origins.append((path, number))
            continue
        piece = library / f"{found[1]}.lua"
        if not piece.is_file():
            known = [known.stem for known in library.glob("*.lua")]
            raise ConfigurationError(f"no piece {found[1]!r} in {library}{nearest(found[1], known)}", where=f"{path}:{number}")
        pasted = read_source(piece).rstrip("\n").split("\n")
        lines += pasted
        origins += [(piece, of) for of in range(1, len(pasted) + 1)]
    return Expanded("\n".join(lines), tuple(origins))


def library_name(project: Project, service: str) -> str:
    """Return the name of the service's function library."""
    return f"{project.name}_{service}"


def library_source(project: Project, service: str, scripts: Sequence[LuaScript]) -> str:
    """Return the function library: the same bodies, each a function of KEYS and ARGV."""
    parts = [f"#!lua name={library_name(project, service)}"]
    for script in scripts:
        flags = f", flags = {{ {', '.join(repr(flag) for flag in script.header.flags)} }}" if script.header.flags else ""
        head = f"redis.register_function{{ function_name = '{script.name}'{flags}, callback = function(KEYS, ARGV)"
        parts.append(f"{head}\n{script.body.rstrip()}\nend }}")
    return "\n".join(parts) + "\n"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Which scripts the server has. `library` is None on servers without functions, and for a service without scripts."""

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
    same = library == library_source(project, service, scripts) if scripts and major >= FUNCTIONS_SINCE else None
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
        values = [*keys, *map(str, arguments), *script.rule_values(self.rules)]
        try:
            return self.client.evalsha(script.sha(self.major), len(keys), *values)
        except driver.exceptions.NoScriptError:
            return self.client.eval(script.source(self.major), len(keys), *values)


def caller(client: redis.Redis, project: Project, service: str) -> Caller:
    """Return what calls the scripts of a service over this client."""
    scripts = load_scripts(project, service)
    return Caller(client, {script.name: script for script in scripts}, project.service(service).rules, major_version(client))
