"""dbkit acl"""

from __future__ import annotations

import click

from dbkit.commands import Invocation, invocation, service_argument, url_option
from dbkit.errors import ConfigurationError


@click.command("acl")
@service_argument
@url_option
@invocation
def command(call: Invocation, service: str, url: str | None) -> None:
    """Print the ACL of the application's user of a Redis service, for its server's version.

    \b
    It may run the commands that the scripts call, on the keys that their headers name, and no
    other. The line changes no password: give the user one of its own. `dbkit up` makes the user
    on the embedded server, without a password.
    \b
    Example:  dbkit acl cart | dbkit redis-cli cart
    \b
    Exit codes: 0 printed · 2 the service is on PostgreSQL · 3 the server can't be reached
    """
    if call.project.service(service).engine != "redis":
        raise ConfigurationError(f"{service!r} lives on PostgreSQL, where its roles are made by dbkit", hint=f"dbkit url {service}")
    from dbkit.redis.acl import app_user
    from dbkit.redis.connect import Store, major_version
    from dbkit.redis.scripts import load_scripts

    with call.reach_one(service, url) as place:
        assert isinstance(place, Store)  # noqa: S101 its engine was asked above
        with place.connect() as client:
            words = app_user(call.project, service, load_scripts(call.project, service), major_version(client))
    if call.output.as_json:
        call.output.document({"service": service, "user": words[2], "acl": words})
    else:
        click.echo(" ".join(words))
