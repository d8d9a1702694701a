"""One file a command: parse the options, call one capability, hand its result to report/."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dbkit.errors import ConfigurationError

if TYPE_CHECKING:
    from dbkit.postgres.connect import Database
    from dbkit.postgres.journal import Run
    from dbkit.project.manifest import Project
    from dbkit.project.target import Target
    from dbkit.redis.connect import Store
    from dbkit.report.console import Output

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Invocation:
    """The global options, and what follows from them."""

    folder: Path | None
    environment: str | None
    format: str
    verbose: int
    quiet: bool
    _listed: dict[tuple[tuple[str, ...], str | None], list[Target]] = field(default_factory=dict, repr=False)

    @cached_property
    def project(self) -> Project:
        from dbkit.project.manifest import find_project

        return find_project(self.folder)

    @cached_property
    def output(self) -> Output:
        from dbkit.report.console import Output

        return Output(as_json=self.format == "json", quiet=self.quiet)

    def run(self) -> Run:
        """Return this invocation as the journal names it."""
        from dbkit.postgres.journal import Run
        from dbkit.project.target import environment_of

        return Run(environment_of(self.project, self.environment)[0], self.project.root)

    def services(self, services: tuple[str, ...] = (), url: str | None = None) -> list[Target]:
        """Return the services, whether they have many targets or one: for what concerns their files, or their server."""
        from dbkit.project.target import targets

        return targets(self.project, self.environment, services, url)

    def targets(self, services: tuple[str, ...] = (), url: str | None = None) -> list[Target]:
        """Return the targets of the services (SERVICE, or SERVICE@TARGET for one of many); they are listed once a run."""
        from dbkit.fleet.members import members

        if (services, url) not in self._listed:
            self._listed[services, url] = members(self.services(services, url), services)
        return self._listed[services, url]

    def target(self, service: str, url: str | None = None) -> Target:
        """Return the one target that is meant. Raises ConfigurationError where there are many, and names them."""
        found = self.targets((service,), url)
        if len(found) > 1:
            from dbkit.fleet.members import named

            raise ConfigurationError(f"which target of {service!r}? this is done to one at a time", hint=named(found))
        return found[0]

    @contextmanager
    def reach(self, services: tuple[str, ...] = (), url: str | None = None) -> Iterator[list[Database | Store]]:
        """Hold the servers of the services for the time of a command.

        PostgreSQL services come first, in the manifest's order, then those on Redis.
        """
        with self.hold(self.targets(services, url)) as reached:
            yield reached

    @contextmanager
    def hold(self, targets: list[Target]) -> Iterator[list[Database | Store]]:
        """Hold the servers of the targets for the time of a command."""
        with ExitStack() as stack:
            yield [*_databases(stack, targets), *_stores(stack, targets)]

    @contextmanager
    def reach_one(self, service: str, url: str | None = None) -> Iterator[Database | Store]:
        """Hold the server of one target."""
        with self.hold([self.target(service, url)]) as reached:
            yield reached[0]

    @contextmanager
    def reach_database(self, service: str, url: str | None = None) -> Iterator[Database]:
        """Hold the PostgreSQL server of one service."""
        from dbkit.postgres.connect import Database

        with self.reach_one(service, url) as place:
            assert isinstance(place, Database)  # noqa: S101 `postgres_only` asked
            yield place

    def confirm(self, targets: list[Target], what: str, *, yes: bool) -> None:
        """Ask before a protected environment is changed; refuse where nobody can answer."""
        protected = sorted({target.environment for target in targets if target.settings.protected})
        if not protected or yes:
            return
        import sys

        if not sys.stdin.isatty():
            raise ConfigurationError(
                f"environment {protected[0]!r} is protected, and nobody is here to ask", hint="--yes says that you mean it"
            )
        click.confirm(f"{what} in {protected[0]!r}?", abort=True, err=True)


def _databases(stack: ExitStack, targets: list[Target]) -> list[Database]:
    chosen = [target for target in targets if target.engine == "postgres"]
    embedded = [target for target in chosen if target.url is None]
    if not chosen:
        return []
    from dbkit.postgres.connect import Database

    server = None
    if embedded:
        from dbkit.postgres import embedded as local
        from dbkit.postgres.roles import prepare_cluster
        from dbkit.project.manifest import bare

        first = embedded[0]
        server = stack.enter_context(local.running_server(local.embedded_server(first.project.root, first.environment, first.settings)))
        services = dict.fromkeys(bare(target.service) for target in embedded)
        prepare_cluster(server.conninfo("postgres"), first.project, list(services))
    return [Database(target, None if target.url else server) for target in chosen]


def _stores(stack: ExitStack, targets: list[Target]) -> list[Store]:
    chosen = [target for target in targets if target.engine == "redis"]
    embedded = [target for target in chosen if target.url is None]
    if not chosen:
        return []
    from dbkit.redis.connect import Store

    server = None
    if embedded:
        from dbkit.redis import server as local

        server = stack.enter_context(local.running_server(local.embedded_server(embedded[0].project.root, embedded[0].environment)))
    stores = [Store(target, None if target.url else server) for target in chosen]
    for store in stores:
        if store.server:
            _prepare(store)
    return stores


def _prepare(store: Store) -> None:
    """Fill the script cache again and make the application's user, which a restart of the embedded server forgets."""
    from dbkit.redis.acl import app_user
    from dbkit.redis.connect import major_version
    from dbkit.redis.scripts import load, load_scripts, loaded

    project, service = store.target.project, store.service
    scripts = load_scripts(project, service)
    with store.connect() as client:
        if scripts:
            words = app_user(project, service, scripts, major_version(client))
            client.execute_command(*words, "nopass")  # type: ignore[no-untyped-call]
        found = loaded(client, project, service, scripts)
        if found.library and found.missing:
            load(client, project, service, scripts)


def by_service(reached: list[Database | Store]) -> Iterator[list[Database | Store]]:
    """Yield all targets of a service that has many together, any other place alone."""
    from itertools import groupby

    from dbkit.project.manifest import bare

    for _, places in groupby(reached, key=lambda place: bare(place.service) if place.target.fleet else place.name):
        yield list(places)


def invocation(function: F) -> F:
    """Give a command the Invocation as its first argument."""
    return click.pass_obj(function)  # type: ignore[return-value]


def services_argument(function: F) -> F:
    """[SERVICE …]: every service if none is named."""
    return click.argument("services", metavar="[SERVICE]...", nargs=-1, shell_complete=_complete_service)(function)


def service_argument(function: F) -> F:
    """SERVICE: exactly one."""
    return click.argument("service", shell_complete=_complete_service)(function)


def url_option(function: F) -> F:
    """--url, for one service and a single run."""
    return click.option("--url", metavar="URL", help="Reach the service here, for this run; needs exactly one SERVICE.")(function)


def yes_option(function: F) -> F:
    """--yes, for environments that are protected."""
    return click.option("--yes", is_flag=True, help="Don't ask before a protected environment is changed.")(function)


def reason_option(function: F) -> F:
    """--reason, which the journal keeps."""
    return click.option("--reason", required=True, metavar="TEXT", help="Why; the journal keeps it, and `dbkit status` shows it.")(function)


def postgres_only(call: Invocation, service: str) -> None:
    """Raise a usage error for a service on Redis, which has no journal and no lock."""
    if call.project.service(service).engine != "postgres":
        raise ConfigurationError(f"{service!r} lives on Redis: it has neither journal nor lock")


def _complete_service(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    del param
    from dbkit.errors import DbkitError
    from dbkit.project.manifest import find_project

    folder = ctx.find_root().params.get("project")
    try:
        return [name for name in find_project(folder).manifest.services if name.startswith(incomplete)]
    except DbkitError:
        return []
