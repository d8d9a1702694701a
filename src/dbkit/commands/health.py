"""dbkit health"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from dbkit.commands import Invocation, invocation, services_argument

if TYPE_CHECKING:
    from dbkit.health import Finding
    from dbkit.postgres.connect import Database
    from dbkit.redis.connect import Store


@click.command("health")
@services_argument
@click.option("--url", metavar="URL", help="Look at this server, PostgreSQL or Redis; no project is needed.")
@click.option("--nagios", is_flag=True, help="One line and Nagios' exit codes: 0 ok, 1 warning, 2 critical, 3 unknown.")
@click.option("--all", "everything", is_flag=True, help="Show what is ok too.")
@invocation
def command(call: Invocation, services: tuple[str, ...], url: str | None, *, nagios: bool, everything: bool) -> None:
    """Run every health check, worst first, with why it matters and what to do.

    Works on any PostgreSQL 15+ or Redis 6.2+, primary or standby, whether dbkit migrated it or
    not. The replicas that the manifest names are looked at too, as SERVICE@replica1 and so on.
    What a missing privilege hides is `unknown`, never ok.

    \b
    Example:  dbkit health --url postgresql://monitor@db.example:5432/shop
    \b
    Exit codes: 0 nothing worse than ok · 1 a warning or worse · 3 a target can't be reached;
    with --nagios 0, 1, 2, 3 as Nagios has them
    """
    from dbkit.errors import UnreachableError
    from dbkit.health import worst_first

    try:
        with call.output.progress("asking every service"), _places(call, services, url) as places:
            found = worst_first([finding for place in places for finding in _check(place)])
    except UnreachableError as exc:
        if not nagios:
            raise
        click.echo(f"DBKIT CRITICAL - {exc.message}")
        raise click.exceptions.Exit(2) from exc
    if nagios:
        from dbkit.report.nagios import line

        text, code = line(found)
        click.echo(text)
        raise click.exceptions.Exit(code)
    if call.output.as_json:
        call.output.document({"findings": [asdict(finding) for finding in found]})
    else:
        from dbkit.report.health import show

        show(call.output, found, everything=everything)
    if any(finding.status in {"warning", "critical"} for finding in found):
        raise click.exceptions.Exit(1)


@contextmanager
def _places(call: Invocation, services: tuple[str, ...], url: str | None) -> Iterator[list[Database | Store]]:
    if url and not services:
        yield [_anywhere(url)]
        return
    from dbkit.project.target import replicas

    chosen = call.targets(services, url)
    copies = [] if url else [copy for target in chosen for copy in replicas(target)]
    with call.hold([*chosen, *copies]) as places:
        yield places


def _anywhere(url: str) -> Database | Store:
    """Return a place for a URL without any project: named after its database, with ours as thresholds."""
    from pathlib import Path

    from dbkit.postgres.connect import Database
    from dbkit.project.manifest import Environment, Manifest, Project, ProjectTable, Service
    from dbkit.project.target import Target
    from dbkit.redis.connect import Store

    is_redis = url.split(":", 1)[0] in {"redis", "rediss", "unix"}
    name = "redis" if is_redis else "database"
    service = Service(engine="redis" if is_redis else "postgres")
    project = Project(Path.cwd(), Manifest(project=ProjectTable(name="adhoc"), services={name: service}))
    target = Target(project, name, "url", Environment(url=url), "redis" if is_redis else "postgres", url, None)
    return Store(target) if is_redis else Database(target)


def _check(place: Database | Store) -> list[Finding]:
    from dbkit.health import check_postgres, check_redis
    from dbkit.redis.connect import Store

    return check_redis(place) if isinstance(place, Store) else check_postgres(place)
