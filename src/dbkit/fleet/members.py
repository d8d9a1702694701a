"""Which targets a service has: from the manifest, from what a command prints, or from what a query returns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import structs

from dbkit.errors import ConfigurationError, nearest
from dbkit.project.manifest import NAME, Listing, bare
from dbkit.project.target import Target, mask, output, resolve

if TYPE_CHECKING:
    from dbkit.project.manifest import Targets

NAMED = 8


def members(found: Iterable[Target], services: tuple[str, ...]) -> list[Target]:
    """Return the targets, each service that has many replaced by them.

    `services` are the ones asked for: of one that is asked for as SERVICE@TARGET only that target stays, alone.
    Raises ConfigurationError where a listing is wrong, or has not what was asked for.
    """
    result: list[Target] = []
    for target in found:
        asked = [name for name in services if bare(name) == target.service]
        everything = _every(target)
        if not asked or target.service in asked:
            result += everything
        else:
            result += [_chosen(everything, name) for name in asked]
    return result


def _chosen(targets: list[Target], name: str) -> Target:
    by_name = {target.name: target for target in targets}
    if name in by_name:
        return replace(by_name[name], fleet=None)
    first = targets[0]
    if first.fleet is None:
        raise ConfigurationError(f"{first.service!r} has no other targets in environment {first.environment!r}", hint="name it alone")
    raise ConfigurationError(f"no target {name!r}{nearest(name, list(by_name))}", hint=named(targets))


def named(targets: list[Target]) -> str:
    """List the names, as many as help."""
    names = ", ".join(target.name for target in targets[:NAMED])
    return f"{len(targets)} target{'' if len(targets) == 1 else 's'}: {names}{' …' if len(targets) > NAMED else ''}"


def _every(target: Target) -> list[Target]:
    fleet = target.fleet
    if fleet is None or fleet.targets is None:
        return [target]
    if fleet.targets.schemas:
        result = [_of_schema(target, schema) for schema in _schemas(target, fleet.targets.schemas)]
    else:
        result = _of_urls(target, _urls(target, fleet.targets))
    if not result:
        raise ConfigurationError(f"no target of {target.service!r} is listed for environment {target.environment!r}")
    seen: set[str] = set()
    for each in result:
        if each.name in seen:
            raise ConfigurationError(f"two targets are {each.name}", hint="each database, and each schema, is listed once")
        seen.add(each.name)
    return result


def _of_schema(target: Target, schema: str) -> Target:
    """Return a schema as a service of its own in the journal that the schemas of a database share."""
    if not re.match(NAME, schema):
        raise ConfigurationError(
            f"{schema!r}, a target of {target.service!r}, can't be a schema here", hint="lower-case letters, digits and _, a letter first"
        )
    project = target.project
    service = structs.replace(project.service(target.service), schema=schema)
    manifest = structs.replace(project.manifest, services={**project.manifest.services, target.service: service})
    return replace(target, project=replace(project, manifest=manifest), service=f"{target.service}@{schema}", member=schema)


def _of_urls(target: Target, urls: list[str]) -> list[Target]:
    """Return the databases, each by its short name, or by the whole one where another has the same."""
    names = [_names(url, f"target {number} of {target.service!r}") for number, url in enumerate(urls, 1)]
    often = Counter(short for short, _ in names)
    return [
        replace(target, url=url, migrate_url=None, member=short if often[short] == 1 else whole)
        for url, (short, whole) in zip(urls, names, strict=True)
    ]


def _names(url: str, which: str) -> tuple[str, str]:
    """Return host (or libpq's service) and database twice, at first without the host where that is a socket: never a secret."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        given = conninfo_to_dict(url)
    except ProgrammingError:  # whose text may hold a piece of the password
        raise ConfigurationError(f"{which} is not a PostgreSQL URL: {mask(url)}", hint="postgresql://user@host:5432/database") from None
    host, port, database, service = (str(given.get(key) or "") for key in ("host", "port", "dbname", "service"))
    place = f"{host}:{port}" if set(port.split(",")) - {"", "5432"} else host
    is_socket = not host or host.startswith("/")
    short, whole = ("/".join(filter(None, (where, database))) for where in ("" if is_socket else place, place or service))
    return short or service or "default", whole or "default"


def _urls(target: Target, listed: Targets) -> list[str]:
    if listed.urls is None:
        return _printed(target, listed)
    project = target.project
    return [resolve(url, project.root, target.service, project.database(target.service)) for url in listed.urls]


def _schemas(target: Target, listed: tuple[str, ...] | Listing) -> list[str]:
    return _printed(target, listed) if isinstance(listed, Listing) else list(listed)


def _printed(target: Target, listing: Listing) -> list[str]:
    """Return the lines of the command, or the rows of the query; none of them stands for a secret kept elsewhere."""
    if listing.command is not None:
        lines = output(listing.command, target.project.root, target.service).splitlines()
        return [line.strip() for line in lines if line.strip()]
    assert listing.query is not None  # noqa: S101 the manifest was checked
    project, service = target.project, target.service
    url = resolve(listing.url, project.root, service, project.database(service)) if listing.url else target.url
    if url is None:
        raise ConfigurationError(
            f"nothing says where to ask for the targets of {service!r}", hint='targets = { query = "…", url = "postgresql://…" }'
        )
    import psycopg

    from dbkit.postgres.connect import connect, server_error

    with connect(url, "targets", default_transaction_read_only="on") as connection:
        try:
            return [str(row[0]) for row in connection.execute(listing.query.encode()).fetchall()]
        except psycopg.Error as exc:
            raise server_error(exc, doing=f"the query for the targets of {service!r} failed") from exc
