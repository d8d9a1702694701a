"""dbkit url"""

from __future__ import annotations

import click

from dbkit.commands import Invocation, invocation, service_argument


@click.command("url")
@service_argument
@click.option("--show-password", is_flag=True, help="Print the password too, if the URL has one.")
@invocation
def command(call: Invocation, service: str, *, show_password: bool) -> None:
    """Print a service's URL, for other programs.

    An embedded service has one while its server runs: `dbkit up` starts it.

    \b
    Example:  DATABASE_URL=$(dbkit url order) pytest
    \b
    Exit codes: 0 printed · 1 the embedded server is not running
    """
    from dbkit.project.target import mask

    target = call.target(service)
    shown = target.url if show_password else mask(target.url or "")
    url = shown if target.url else _embedded(call, service)
    if call.output.as_json:
        call.output.document({"service": service, "url": url})
    else:
        click.echo(url)


def _embedded(call: Invocation, service: str) -> str:
    from dbkit.commands.up import url_of
    from dbkit.errors import DbkitError
    from dbkit.postgres import embedded
    from dbkit.postgres.connect import Database
    from dbkit.postgres.server import running as postgres_runs
    from dbkit.redis import server as valkey
    from dbkit.redis.connect import Store

    target = call.target(service)
    if target.engine == "redis":
        store = valkey.embedded_server(target.project.root, target.environment)
        place: Database | Store = Store(target, store)
        runs = valkey.running(store)
    else:
        server = embedded.embedded_server(target.project.root, target.environment, target.settings)
        place = Database(target, server)
        runs = postgres_runs(server)
    if not runs:
        raise DbkitError(f"the embedded server of {service!r} is not running", hint="`dbkit up` starts it and leaves it running")
    return url_of(place)
