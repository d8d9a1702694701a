"""Turning the tables of dbkit.toml into structs, with the line of what is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from dbkit.errors import ConfigurationError, nearest
from dbkit.project.manifest import (
    NAME,
    Endpoint,
    Environment,
    HealthPolicy,
    LintPolicy,
    Listing,
    Manifest,
    MigratePolicy,
    ProjectTable,
    Service,
    Targets,
    Threshold,
    VerifyPolicy,
)

T = TypeVar("T")
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
class Reader:
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
                if endpoint.scale and not (endpoint.targets and endpoint.targets.schemas):
                    raise ConfigurationError(
                        f"scale = {endpoint.scale!r} is for a service whose targets are schemas",
                        where=self.where("environments", name, "services", inner, "scale"),
                        hint='targets = { schemas = ["shard_1", "shard_2"] }',
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
