"""dbkit up"""

from __future__ import annotations

import click

from dbkit.commands import Invocation, invocation


@click.command("up")
@invocation
def command(call: Invocation) -> None:
    """Start the embedded servers, make roles and databases, and leave them running.

    Other commands start what they need and stop it again; after `up` they find it running.

    \b
    Example:  dbkit up && dbkit migrate && dbkit psql product
    \b
    Exit codes: 0 they run · 1 a server did not start
    """
    from dbkit.postgres import embedded
    from dbkit.redis import server as valkey
    from dbkit.redis.connect import Store, product

    found = []
    with call.output.progress("starting the embedded servers"), call.hold(call.services()) as reached:
        for place in reached:
            if place.server is None:
                continue
            if isinstance(place, Store):
                valkey.keep(place.server)
                with place.connect() as client:
                    version = product(client)
            else:
                embedded.keep(place.server)
                version = f"PostgreSQL {place.server.binaries.major}"
            found.append({"service": place.service, "server": version, "url": url_of(place)})
    if call.output.as_json:
        call.output.document({"services": found})
        return
    for entry in found:
        call.output.event(entry["service"], "running", entry["server"], note=entry["url"])
    if not found:
        call.output.line("no service of this environment is on an embedded server")


def url_of(place: object) -> str:
    """Return the URL of an embedded service as other programs take it: as the app's role, or as Valkey's socket."""
    from urllib.parse import quote

    from dbkit.postgres.connect import Database
    from dbkit.redis.connect import Store

    if isinstance(place, Store):
        return place.url
    assert isinstance(place, Database)  # noqa: S101 there are two engines
    if place.server is None:
        return place.conninfo()
    folder = quote(str(place.server.sockets), safe="")
    return f"postgresql:///{quote(place.target.database)}?host={folder}&user={place.target.role('migrator')}"
