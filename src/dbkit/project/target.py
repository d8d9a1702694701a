"""Where a service lives in an environment: a URL, or the embedded server."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from dbkit.errors import ConfigurationError, nearest
from dbkit.project.manifest import Endpoint, Environment, MigratePolicy, Project, bare


@dataclass(frozen=True, slots=True)
class Target:
    """One service in one environment, or one of its many targets there.

    `url` is a secret: it is shown through `shown` alone. None means the embedded server. `service` is what the journal
    calls it, `name` what people do. `fleet` says how to find and treat the targets of a service that has many;
    `member` which of them this is.
    """

    project: Project
    service: str
    environment: str
    settings: Environment
    engine: Literal["postgres", "redis"]
    url: str | None
    migrate_url: str | None
    fleet: Endpoint | None = None
    member: str | None = None

    def __repr__(self) -> str:
        return f"Target({self.name!r}, {self.environment!r}, {self.shown!r})"

    @property
    def name(self) -> str:
        return f"{bare(self.service)}@{self.member}" if self.member else self.service

    @property
    def shown(self) -> str:
        return mask(self.url) if self.url else "embedded"

    @property
    def policy(self) -> MigratePolicy:
        """[migrate], with what the environment says otherwise."""
        exceptions = {key: value for key, value in msgspec.structs.asdict(self.settings.migrate).items() if value is not None}
        return msgspec.structs.replace(self.project.manifest.migrate, **exceptions)

    @property
    def scale(self) -> str | None:
        """Who spreads the schemas of the service over machines."""
        endpoint = self.settings.services.get(bare(self.service))
        return endpoint.scale if endpoint and self.member else None

    @property
    def schema(self) -> str:
        return self.project.schema(self.service)

    @property
    def database(self) -> str:
        return self.project.database(self.service)

    def role(self, kind: str) -> str:
        return self.project.role(self.service, kind)


def environment_of(project: Project, name: str | None) -> tuple[str, Environment]:
    """Return the chosen environment: --env, $DBKIT_ENV, the manifest's default, `local`."""
    known = project.manifest.environments
    chosen = name or os.environ.get("DBKIT_ENV") or project.manifest.project.default_environment
    if chosen in known:
        return chosen, known[chosen]
    if chosen == "local":
        return chosen, Environment(server="embedded")
    raise ConfigurationError(
        f"no environment {chosen!r} in {project.root / 'dbkit.toml'}{nearest(chosen, [*known, 'local'])}",
        hint=f"environments: {', '.join(sorted({*known, 'local'}))}",
    )


def targets(project: Project, environment: str | None, services: tuple[str, ...] = (), url: str | None = None) -> list[Target]:
    """Return the services named (as SERVICE or SERVICE@TARGET), or every one, in the manifest's order.

    One whose `fleet` is there has many targets, which `fleet.members` finds.
    """
    name, settings = environment_of(project, environment)
    for service in services:
        project.service(service)
    wanted = {bare(service) for service in services}
    chosen = [s for s in project.manifest.services if not services or s in wanted]
    if url and len(chosen) != 1:
        raise ConfigurationError("--url needs exactly one SERVICE", hint="dbkit COMMAND SERVICE --url URL")
    return [_target(project, name, settings, service, url) for service in chosen]


def _target(project: Project, name: str, settings: Environment, service: str, url: str | None) -> Target:
    engine = project.service(service).engine
    endpoint = settings.services.get(service)
    shared = settings.redis_url if engine == "redis" else settings.url
    given = url or os.environ.get(f"DBKIT_{service.upper()}_URL")
    chosen = given or (endpoint and endpoint.url) or shared
    migrate = None
    if not given:
        migrate = (endpoint and endpoint.migrate_url) or (settings.migrate_url if engine == "postgres" else None)
    many = endpoint.targets if endpoint else None
    if many and given and not many.schemas:
        many = None  # a URL that is given for a run names one database
    if not chosen and settings.server != "embedded" and (many is None or many.schemas):
        key = "redis_url" if engine == "redis" else "url"
        raise ConfigurationError(
            f"environment {name!r} does not say where {service!r} is",
            hint=f"set `{key}` under [environments.{name}], or DBKIT_{service.upper()}_URL",
        )
    database = project.database(service)
    return Target(
        project=project,
        service=service,
        environment=name,
        settings=settings,
        engine=engine,
        url=resolve(chosen, project.root, service, database) if chosen else None,
        migrate_url=resolve(migrate, project.root, service, database) if migrate else None,
        fleet=endpoint if many else None,
    )


def replicas(target: Target) -> list[Target]:
    """Return the streaming copies of the target that the manifest names: SERVICE@replica1, and so on."""
    endpoint = target.settings.services.get(target.service)
    project, service = target.project, target.service
    return [
        dataclasses.replace(
            target,
            url=resolve(value, project.root, service, target.database),
            migrate_url=None,
            fleet=None,
            member=f"replica{number}",
        )
        for number, value in enumerate(endpoint.replicas if endpoint else (), 1)
    ]


def resolve(value: str, root: Path, service: str, database: str) -> str:
    """Return the URL that `env:NAME`, `file:PATH` or `cmd:COMMAND` stands for, placeholders filled.

    A libpq `service=NAME` string passes unchanged.
    """
    if value.startswith("env:"):
        name = value[4:]
        if name not in os.environ:
            raise ConfigurationError(f"the variable {name} that the URL of {service!r} comes from is not set")
        value = os.environ[name]
    elif value.startswith("file:"):
        path = root / value[5:]
        try:
            value = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigurationError(f"can't read {path} that the URL of {service!r} comes from: {exc.__class__.__name__}") from exc
    elif value.startswith("cmd:"):
        value = output(value[4:], root, service)
    for placeholder in re.findall(r"\{(\w*)\}", value):
        if placeholder not in {"service", "database"}:
            raise ConfigurationError(
                f"unknown placeholder {{{placeholder}}} in the URL of {service!r}", hint="{service} and {database} are the only ones"
            )
    return value.replace("{service}", service).replace("{database}", database)


def output(command: str, root: Path, service: str) -> str:
    """Return what a command of the manifest prints; it runs in the project's folder, without a shell."""
    try:
        done = subprocess.run(shlex.split(command), cwd=root, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise ConfigurationError(f"the command that says where {service!r} is could not be run: {exc.__class__.__name__}") from exc
    if done.returncode:
        raise ConfigurationError(f"the command that says where {service!r} is ended with exit code {done.returncode}")
    return done.stdout.strip()


def mask(url: str) -> str:
    """Return the URL (or conninfo string) with every password replaced by ***."""
    url = re.sub(
        r"(://[^:/?#@\[\]]*):(?!\d*(?:[,/?#]|$))([^/?#@]*)(?=[/?#]|$)", r"\1:***", url
    )  # a port that is none: the host was left out
    masked = re.sub(r"(?i)(password|passwd|pwd)(\s*=\s*|%3D)('(?:[^'\\]|\\.)*'|[^\s&]+)", r"\1\2***", url)
    try:
        parts = urlsplit(masked)
        secret = parts.password
    except ValueError:
        return re.sub(r"//.*@", "//***@", masked)
    if secret is None:  # nor is one seen where a character of it should have been percent-encoded
        return re.sub(r"(://[^:/?#@]*):(.*)@", r"\1:***@", masked)
    userinfo, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{userinfo.partition(':')[0]}:***@{host}").geturl()
