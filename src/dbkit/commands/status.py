"""dbkit status"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dbkit.commands import Invocation, invocation, services_argument, url_option

if TYPE_CHECKING:
    from dbkit.migrate import ServiceStatus
    from dbkit.redis.connect import Store


MOST_NAMED = 8


@click.command("status")
@services_argument
@url_option
@invocation
def command(call: Invocation, services: tuple[str, ...], url: str | None) -> None:
    """Show what is applied, pending, changed, missing or failed, service by service.

    Nothing is written, so a standby will do.

    \b
    Example:  dbkit status order
    \b
    Exit codes: 0 shown, whatever is pending · 3 a target can't be reached
    """
    from dbkit.migrate import read_status
    from dbkit.redis.connect import Store

    rows: list[list[object]] = []
    found: list[dict[str, Any]] = []
    open_items: list[tuple[str, str, str, str]] = []
    with call.reach(services, url) as reached:
        for place in reached:
            if isinstance(place, Store):
                entry = _scripts(place)
            else:
                with place.connect("status") as connection:
                    status = read_status(place, connection)
                entry = _document(status)
                open_items += [
                    (status.service, m.state, m.id.partition("/")[2], m.note)
                    for m in status.migrations
                    if m.state != "applied" or m.note.startswith("repaired")
                ]
                open_items += _routines(status)
                open_items += [
                    (status.service, "missing", r.partition("/")[2], "deployed, but its file is gone") for r in status.routines_gone
                ]
                open_items += [(status.service, "changed", s.routine.partition("/")[2], s.told) for s in status.routines_changed]
                open_items += [(status.service, "adopted", s.routine.partition("/")[2], s.told) for s in status.routines_adopted]
            found.append(entry)
            rows.append(
                [entry["service"], entry["state"], entry["applied"], entry["pending"], entry["routines"], entry["last"], entry["server"]]
            )
    if call.output.as_json:
        call.output.document({"services": found})
        return
    call.output.table(
        ["service", "state", "applied", "pending", "routines", "last applied", "server"],
        rows,
        right=["applied", "pending", "routines"],
        status="state",
    )
    if open_items:
        call.output.line()
    for service, state, name, note in open_items:
        call.output.event(service, state, name, note=note)


def _routines(status: ServiceStatus) -> list[tuple[str, str, str, str]]:
    """Name the pending routines, or count them where naming them would hide the rest."""
    if len(status.routines_pending) > MOST_NAMED:
        return [(status.service, "pending", f"{len(status.routines_pending)} routines", "")]
    return [(status.service, "pending", routine.partition("/")[2], "routine") for routine in status.routines_pending]


def _document(status: ServiceStatus) -> dict[str, Any]:
    pending = sum(migration.state in {"pending", "failed", "interrupted"} for migration in status.migrations)
    problem = next((m.state for m in status.migrations if m.state not in {"applied", "pending"}), None)
    last = max((m.at for m in status.migrations if m.at and m.state == "applied"), default=None)
    return {
        "service": status.service,
        "state": problem or ("up to date" if status.is_current else "pending"),
        "applied": status.count("applied"),
        "pending": pending,
        "routines": status.routines_deployed,
        "last": f"{last:%Y-%m-%d %H:%M}" if last else "",
        "server": status.server,
        "migrations": [{"id": m.id, "state": m.state, "at": m.at, "note": m.note} for m in status.migrations],
        "routines_pending": status.routines_pending,
        "routines_gone": status.routines_gone,
        "routines_changed": [suspect.object for suspect in status.routines_changed],
        "routines_adopted": [suspect.object for suspect in status.routines_adopted],
    }


def _scripts(store: Store) -> dict[str, Any]:
    from dbkit.redis.connect import product
    from dbkit.redis.scripts import load_scripts, loaded

    scripts = load_scripts(store.target.project, store.service)
    with store.connect() as client:
        found = loaded(client, store.target.project, store.service, scripts)
        server = product(client)
    return {
        "service": store.service,
        "state": "up to date" if found.is_current else "pending",
        "applied": "",
        "pending": "" if found.is_current else len(scripts),
        "routines": len(found.present),
        "last": "",
        "server": server,
        "scripts": {"present": found.present, "missing": found.missing, "library": found.library},
    }
