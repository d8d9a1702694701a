"""dbkit.toml: which services there are, where they live, what numbers rule them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

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
    """[services.NAME]; folders are relative to the manifest's own. `expires`: patterns of Redis keys that must have a TTL.

    `routing_key` is the column that says in which shard a row is: the rule set `citus` of `dbkit lint` looks for it.
    """

    engine: Literal["postgres", "redis"] = "postgres"
    database: str | None = None
    schema: Name | None = None
    migrations: str | None = None
    routines: str | None = None
    scripts: str | None = None
    seeds: str | None = None
    tests: str | None = None
    shared: tuple[str, ...] = ("ops",)
    routing_key: Name | None = None
    expires: tuple[str, ...] = ()
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
    """[environments.NAME.services.NAME]: where one service lives; `canary` and `jobs` are for many targets.

    `scale` says who spreads the schemas of `targets` over machines, `replicas` are streaming copies, which `health` looks at too.
    """

    url: str | None = None
    migrate_url: str | None = None
    replicas: tuple[str, ...] = ()
    targets: Targets | None = None
    scale: Literal["citus"] | None = None
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
    """[lint]: `redis` is the oldest major version that the scripts have to run on, `rules` the rule sets beside those that always look."""

    fail_on: Literal["error", "warning", "info"] = "warning"
    redis: Annotated[int, msgspec.Meta(ge=5)] = 6
    rules: tuple[Literal["citus"], ...] = ()


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
    from dbkit.project.reader import Reader

    reader = Reader(path, text)
    manifest = reader.manifest(raw)
    reader.check(manifest)
    return manifest
