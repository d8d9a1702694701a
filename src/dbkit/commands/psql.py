"""dbkit psql"""

from __future__ import annotations

import click

from dbkit.commands import Invocation, invocation, service_argument
from dbkit.errors import ConfigurationError, DbkitError


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

    The embedded server is started for as long as the shell is open.

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
        done = subprocess.run([_program(place), *arguments], env=_environment(place, role), check=False)
    raise click.exceptions.Exit(done.returncode)


def _program(place: object) -> str:
    import shutil
    from pathlib import Path

    from dbkit.postgres.connect import Database

    assert isinstance(place, Database)  # noqa: S101 the caller's
    if place.server:
        bundled = Path(place.server.binaries.program("psql"))
        if bundled.is_file():
            return str(bundled)
    found = shutil.which("psql")
    if not found:
        raise DbkitError("there is no psql on this machine", hint="install PostgreSQL's client programs")
    return found


def _environment(place: object, role: str) -> dict[str, str]:
    """Hand the connection over by libpq's variables: arguments are for everybody to read."""
    import os

    from psycopg.conninfo import conninfo_to_dict

    from dbkit.postgres.connect import Database

    assert isinstance(place, Database)  # noqa: S101 the caller's
    names = {
        "host": "PGHOST",
        "port": "PGPORT",
        "dbname": "PGDATABASE",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "sslmode": "PGSSLMODE",
        "sslrootcert": "PGSSLROOTCERT",
        "passfile": "PGPASSFILE",
        "service": "PGSERVICE",
        "options": "PGOPTIONS",
        "connect_timeout": "PGCONNECT_TIMEOUT",
    }
    given = conninfo_to_dict(place.conninfo(role))
    found = {names[key]: str(value) for key, value in given.items() if key in names}
    path = f"-c search_path={place.target.schema},ops,public"
    found["PGOPTIONS"] = f"{found.get('PGOPTIONS', '')} {path}".strip()
    return {**os.environ, **found, "PGAPPNAME": "dbkit/psql"}
