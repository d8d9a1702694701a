"""dbkit psql"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dbkit.commands import Invocation, invocation, service_argument
from dbkit.errors import ConfigurationError, DbkitError

if TYPE_CHECKING:
    from dbkit.postgres.connect import Database


@click.command("psql", context_settings={"ignore_unknown_options": True})
@service_argument
@click.option(
    "--role",
    type=click.Choice(["migrator", "app", "readonly", "ops", "superuser"]),
    default="migrator",
    show_default=True,
    help="Who to be, on an embedded server.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- PSQL OPTIONS]")
@invocation
def command(call: Invocation, service: str, role: str, arguments: tuple[str, ...]) -> None:
    """Open psql on a service, with the service's schema first in the search path.

    The embedded server is started for as long as the shell is open, and its own psql taken; for another server it is
    the oldest one on this machine that is not older than the server.

    \b
    Example:  dbkit psql product -- -c 'SELECT name FROM products LIMIT 3'
    \b
    Exit codes: psql's own; 2 the service is on Redis
    """
    import subprocess

    from dbkit.postgres.connect import Database

    if call.project.service(service).engine != "postgres":
        raise ConfigurationError(f"{service!r} lives on Redis", hint=f"dbkit redis-cli {service}")
    with call.reach_one(service) as place:
        assert isinstance(place, Database)  # noqa: S101 its engine was asked above
        done = subprocess.run([_program(place, role), *arguments], env=_environment(place, role), check=False)
    raise click.exceptions.Exit(done.returncode)


def _program(place: Database, role: str) -> Path:
    """Return the oldest psql that knows all that the server has; where all are older the newest, which says so itself."""
    from dbkit.postgres.programs import installed

    if place.server:
        bundled = Path(place.server.binaries.program("psql"))
        if bundled.is_file():
            return bundled
    there = dict(reversed(list(installed("psql"))))
    if not there:
        raise DbkitError("there is no psql on this machine", hint="install PostgreSQL's client programs")
    with place.connect("psql", role) as connection:
        wanted = connection.info.server_version // 10000
    return there[min((major for major in there if major >= wanted), default=max(there))]


def _environment(place: Database, role: str) -> dict[str, str]:
    """Hand the connection over by libpq's variables: arguments are for everybody to read."""
    import os

    from psycopg.conninfo import conninfo_to_dict
    from psycopg.pq import Conninfo

    names = {option.keyword.decode(): option.envvar.decode() for option in Conninfo.get_defaults() if option.envvar}
    given = conninfo_to_dict(place.conninfo(role))
    found = {names[key]: str(value) for key, value in given.items() if key in names}
    path = f"-c search_path={place.target.schema},ops,public"
    found["PGOPTIONS"] = f"{found.get('PGOPTIONS', '')} {path}".strip()
    return {**os.environ, **found, "PGAPPNAME": "dbkit/psql"}
