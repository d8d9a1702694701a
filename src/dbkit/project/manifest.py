"""dbkit.toml: which services there are, where they live, what numbers rule them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from dbkit.errors import ConfigurationError, nearest

NAME = r"^[a-z][a-z0-9_]{0,39}$"
Name = Annotated[str, msgspec.Meta(pattern=NAME)]
Rule = bool | int | float | str | dict[str, int]
Duration = Annotated[str, msgspec.Meta(pattern=r"^\d+(ms|s|min)$")]


class ProjectTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[project]"""

    name: Name
    default_environment: Name = "local"


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[services.NAME]; folders are relative to the manifest's own."""

    engine: Literal["postgres", "redis"] = "postgres"
    database: str | None = None
    schema: Name | None = None
    migrations: str | None = None
    routines: str | None = None
    scripts: str | None = None
    seeds: str | None = None
    tests: str | None = None
    shared: tuple[str, ...] = ("ops",)
    rules: dict[str, Rule] = {}


class Listing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What prints names, one a line or row: a command, or a query at `url` (the service's own database, if it says nothing)."""

    command: str | None = None
    query: str | None = None
    url: str | None = None


class Targets(Listing, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`targets`: the databases of a service by their URLs, listed or printed, or the schemas of its one database."""

    urls: tuple[str, ...] | None = None
    schemas: tuple[Name, ...] | Listing | None = None


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[environments.NAME.services.NAME]: where one service lives; `canary` and `jobs` are for many targets."""

    url: str | None = None
    migrate_url: str | None = None
    targets: Targets | None = None
    canary: Annotated[int, msgspec.Meta(ge=0)] = 1
    jobs: Annotated[int, msgspec.Meta(ge=1)] = 8


class MigrateException(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[environments.NAME.migrate]: what differs there from [migrate]"""

    out_of_order: Literal["error", "warn", "allow"] | None = None
    lock_timeout: Duration | None = None
    retries: Annotated[int, msgspec.Meta(ge=0)] | None = None
    max_victims: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Environment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[environments.NAME]"""

    server: Literal["embedded"] | None = None
    postgres: Literal[16, 18] = 18
    postgres_bin: str | None = None
    url: str | None = None
    migrate_url: str | None = None
    redis_url: str | None = None
    protected: bool = False
    migrate: MigrateException = MigrateException()
    services: dict[str, Endpoint] = {}


class MigratePolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[migrate]"""

    out_of_order: Literal["error", "warn", "allow"] = "error"
    lock_timeout: Duration = "3s"
    retries: Annotated[int, msgspec.Meta(ge=0)] = 5
    max_victims: Annotated[int, msgspec.Meta(ge=0)] = 20


class LintPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[lint]"""

    fail_on: Literal["error", "warning", "info"] = "warning"


class Threshold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[health.thresholds] CHECK = { warning = …, critical = … }"""

    warning: float | None = None
    critical: float | None = None


class VerifyPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[verify]: `ignore` has patterns of names, as verify prints them"""

    ignore: tuple[str, ...] = ()


class HealthPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[health]"""

    thresholds: dict[str, Threshold] = {}


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of dbkit.toml, as docs/dbkit.schema.json describes it."""

    project: ProjectTable
    services: dict[Name, Service] = {}
    environments: dict[Name, Environment] = {}
    migrate: MigratePolicy = MigratePolicy()
    lint: LintPolicy = LintPolicy()
    health: HealthPolicy = HealthPolicy()
    verify: VerifyPolicy = VerifyPolicy()


@dataclass(frozen=True, slots=True)
class Project:
    """A manifest and the folder that it lies in."""

    root: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        return self.manifest.project.name

    def service(self, name: str) -> Service:
        """Return the service of `SERVICE` or `SERVICE@TARGET`, or raise a usage error that names the nearest spelling."""
        known, name = self.manifest.services, bare(name)
        if name not in known:
            raise ConfigurationError(
                f"no service {name!r} in {self.root / MANIFEST}{nearest(name, list(known))}",
                hint=f"services: {', '.join(known)}",
            )
        return known[name]

    def schema(self, name: str) -> str:
        return self.service(name).schema or bare(name)

    def database(self, name: str) -> str:
        return self.service(name).database or bare(name)

    def folder(self, name: str, kind: Literal["migrations", "routines", "scripts", "seeds", "tests"]) -> Path:
        """Return the folder of that kind of source; it need not exist."""
        default = {"routines": "schemas", "scripts": "lua"}.get(kind, kind)
        return self.root / (getattr(self.service(name), kind) or f"{default}/{bare(name)}")

    def role(self, service: str, kind: str) -> str:
        """Return `<project>_<service>_<kind>`; kinds are those of ROLE_KINDS."""
        return f"{self.name}_{bare(service)}_{kind}"


def bare(service: str) -> str:
    """Return the service of `SERVICE@TARGET`; its targets share files and roles."""
    return service.partition("@")[0]


MANIFEST = "dbkit.toml"
ROLE_KINDS = ("owner", "migrator", "app", "readonly", "ops")
T = TypeVar("T")


def find_project(start: Path | None) -> Project:
    """Read the nearest dbkit.toml, from `start` (or the current folder) upward."""
    here = (start or Path.cwd()).resolve()
    for folder in [here] if start else [here, *here.parents]:
        if (folder / MANIFEST).is_file():
            return Project(folder, read_manifest(folder / MANIFEST))
    raise ConfigurationError(
        f"no {MANIFEST} in {here}" + ("" if start else " or any folder above it"),
        hint="`dbkit init DIR` starts a project; `--project DIR` names one",
    )


def read_manifest(path: Path) -> Manifest:
    """Parse and check a manifest.

    Raises ConfigurationError with line, key and, for an unknown key, the nearest spelling.
    """
    try:
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"can't read {path}: {exc}") from exc
    except tomllib.TOMLDecodeError as exc:
        line = re.search(r"line (\d+)", str(exc))
        at = f"{path}:{line[1]}" if line else str(path)
        raise ConfigurationError(f"not valid TOML: {exc}", where=at) from exc
    reader = _Reader(path, text)
    manifest = reader.manifest(raw)
    reader.check(manifest)
    return manifest


TARGETS = """targets = { urls = ["postgresql://…", …] }
targets = { command = "ops/list-shards order" }
targets = { query = "SELECT dsn FROM shards", url = "postgresql://…" }
targets = { schemas = ["tenant_a", …] } or { schemas = { query = "SELECT name FROM tenants" } }"""


def _objection(targets: Targets, service: Service) -> str | None:
    """Say what is wrong with targets that the types allow."""
    if service.engine != "postgres":
        return "can't be: a service on Redis has one"
    listing = targets.schemas if isinstance(targets.schemas, Listing) else targets
    if sum(way is not None for way in (targets.urls, targets.command, targets.query, targets.schemas)) != 1:
        return "need one of urls, command, query and schemas"
    if listing is not targets and (listing.command is None) == (listing.query is None):
        return "need one of command and query to list the schemas"
    return "have a url, which belongs to a query" if listing.url and not listing.query else None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Converts table by table, so that an error can say which one it is in."""

    path: Path
    text: str

    def manifest(self, raw: dict[str, Any]) -> Manifest:
        if "project" not in raw:
            raise ConfigurationError("the manifest has no [project] table", where=f"{self.path}:1", hint='[project]\nname = "shop"')
        for name, service in self.table(raw, "services").items():
            self.convert(service, Service, "services", name)
        for name, environment in self.table(raw, "environments").items():
            for inner, endpoint in self.table(environment, "services", "environments", name).items():
                if isinstance(endpoint, dict) and "targets" in endpoint:
                    self.convert(endpoint["targets"], Targets, "environments", name, "services", inner, "targets")
                self.convert(endpoint, Endpoint, "environments", name, "services", inner)
            self.convert(environment, Environment, "environments", name)
        for name, threshold in self.table(raw.get("health"), "thresholds", "health").items():
            self.convert(threshold, Threshold, "health", "thresholds", name)
        for name, kind in (
            ("project", ProjectTable),
            ("migrate", MigratePolicy),
            ("lint", LintPolicy),
            ("health", HealthPolicy),
            ("verify", VerifyPolicy),
        ):
            if name in raw:
                self.convert(raw[name], kind, name)
        return self.convert(raw, Manifest)

    def table(self, raw: Any, key: str, *path: str) -> dict[str, Any]:
        value = raw.get(key, {}) if isinstance(raw, dict) else {}
        if not isinstance(value, dict):
            raise ConfigurationError(f"{key!r} must be a table", where=self.where(*path, key))
        for name in value:
            if not re.match(NAME, name):
                raise ConfigurationError(
                    f"{name!r} in {'.'.join((*path, key))} is not a name: lower-case letters, digits and _, a letter first",
                    where=self.where(*path, key, name),
                )
        return value

    def convert(self, raw: Any, kind: type[T], *path: str) -> T:
        try:
            return msgspec.convert(raw, kind)
        except msgspec.ValidationError as exc:
            raise self.error(str(exc), kind, path) from exc

    def error(self, text: str, kind: type, path: tuple[str, ...]) -> ConfigurationError:
        unknown = re.search(r"unknown field `(\w+)`", text)
        inner = re.findall(r"\.(\w+)", text.partition(" - at `$")[2])
        if unknown:
            known = list(getattr(kind, "__struct_fields__", ()))
            key = unknown[1]
            table = ".".join(path) or "the manifest"
            return ConfigurationError(
                f"unknown key {key!r} in {table}{nearest(key, known)}",
                where=self.where(*path, *inner, key),
                hint=f"keys: {', '.join(known)}",
            )
        message = text.partition(" - at `")[0]
        name = ".".join((*path, *inner))
        return ConfigurationError(f"{name}: {message[0].lower()}{message[1:]}" if name else message, where=self.where(*path, *inner))

    def where(self, *path: str) -> str:
        """Return `file:line` of the key, or of the nearest table above it."""
        table: tuple[str, ...] = ()
        best, depth = 1, 0
        for number, line in enumerate(self.text.splitlines(), 1):
            if header := re.match(r"\s*\[([\w.\"-]+)\]", line):
                table = tuple(part.strip('"') for part in header[1].split("."))
                here = table
            elif key := re.match(r"\s*([\w-]+)\s*=", line):
                here = (*table, key[1])
            else:
                continue
            reached = min(len(here), len(path))
            if reached > depth and here[:reached] == path[:reached]:
                best, depth = number, reached
        return f"{self.path}:{best}"

    def check(self, manifest: Manifest) -> None:
        """Refuse what the types can't express: names that point at nothing."""
        services, environments = manifest.services, manifest.environments
        for name, environment in environments.items():
            for inner, endpoint in environment.services.items():
                if inner not in services:
                    raise ConfigurationError(
                        f"environment {name!r} names a service that is not there: {inner!r}{nearest(inner, list(services))}",
                        where=self.where("environments", name, "services", inner),
                    )
                if endpoint.targets and (wrong := _objection(endpoint.targets, services[inner])):
                    raise ConfigurationError(
                        f"targets of {inner!r} {wrong}", where=self.where("environments", name, "services", inner, "targets"), hint=TARGETS
                    )
            if environment.server and environment.url:
                raise ConfigurationError(
                    f"environment {name!r} has both an embedded server and a url",
                    where=self.where("environments", name, "url"),
                    hint="keep one of the two",
                )
        default = manifest.project.default_environment
        if default not in environments and default != "local":
            raise ConfigurationError(
                f"default_environment {default!r} is not defined{nearest(default, list(environments))}",
                where=self.where("project", "default_environment"),
            )
