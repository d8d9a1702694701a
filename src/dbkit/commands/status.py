"""dbkit status"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dbkit.commands import Invocation, by_service, invocation, services_argument, url_option

if TYPE_CHECKING:
    from datetime import datetime

    from dbkit.migrate.status import ServiceStatus
    from dbkit.postgres.connect import Database
    from dbkit.redis.connect import Store
    from dbkit.redis.journal import Status


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
    rows: list[list[object]] = []
    found: list[dict[str, Any]] = []
    open_items: list[tuple[str, Item]] = []
    unreachable = False
    with call.reach(services, url) as reached:
        for place, *others in by_service(reached):
            if place.target.fleet:
                document, more, items = _targets(call, [place, *others])
                unreachable = unreachable or any(target["state"] == "unreachable" for target in document["targets"])
            else:
                document, own = _one(place)
                more, items = [document], [(place.name, item) for item in own]
            found.append(document)
            rows += [[entry[key] for key in COLUMNS] for entry in more]
            open_items += items
    if call.output.as_json:
        call.output.document({"services": found})
    else:
        call.output.table(HEADERS, rows, right=["applied", "pending", "routines"], status="state")
        if open_items:
            call.output.line()
        for name, (state, what, note) in open_items:
            call.output.event(name, state, what, note=note)
    if unreachable:
        raise click.exceptions.Exit(3)


HEADERS = ["service", "state", "applied", "pending", "routines", "last applied", "server"]
COLUMNS = ["service", "state", "applied", "pending", "routines", "last", "server"]
Item = tuple[str, str, str]


def _one(place: Database | Store) -> tuple[dict[str, Any], list[Item]]:
    """Return what JSON says of a place, and what is open there: state, what, note."""
    from dbkit.migrate.status import read_status
    from dbkit.postgres import citus
    from dbkit.redis.connect import Store

    if isinstance(place, Store):
        return _redis(place)
    with place.connect("status") as connection:
        status = read_status(place, connection)
        node = citus.node(connection, place.target)
    return _document(status, node), _open(status)


def _targets(call: Invocation, places: list[Database | Store]) -> tuple[dict[str, Any], list[dict[str, Any]], list[tuple[str, Item]]]:
    """Return what JSON says of a service that has many targets, the rows of its table, and what is open where."""
    from dbkit.fleet.survey import survey
    from dbkit.postgres.connect import Database
    from dbkit.project.manifest import bare
    from dbkit.report import fleet

    databases = [place for place in places if isinstance(place, Database)]
    settings, service = databases[0].target.fleet, bare(databases[0].service)
    assert settings is not None  # noqa: S101 asked by the caller
    documents: list[dict[str, Any]] = []
    items: list[tuple[str, Item]] = []
    with fleet.bar(call.output, service, len(databases), lines=False) as advance:
        surveyed = survey(databases, lambda target: advance("unreachable" if target.error else "read"), jobs=settings.jobs)
    for target in surveyed:
        if target.status:
            document = _document(target.status, target.node) | {"service": target.target, "last": _minute(target.last)}
            del document["migrations"]
            items += [(target.target, item) for item in _open(target.status)]
        else:
            message = str(target.error).partition("\n")[0]
            document = dict.fromkeys(COLUMNS, "") | {"service": target.target, "state": "unreachable", "error": message}
            items.append((target.target, ("unreachable", "", message)))
        documents.append(document)
    return {"service": service, "targets": documents}, fleet.alike(service, documents, COLUMNS[1:]), fleet.together(service, items)


def _open(status: ServiceStatus) -> list[Item]:
    """Return what a person should know of: state, what, note."""
    items = [(m.state, m.id.partition("/")[2], m.note) for m in status.migrations if m.state != "applied" or m.note.startswith("repaired")]
    gone = [("missing", name.partition("/")[2], "deployed, but its file is gone") for name in status.routines_gone]
    touched = [("changed", s.routine.partition("/")[2], s.told) for s in status.routines_changed]
    adopted = [("adopted", s.routine.partition("/")[2], s.told) for s in status.routines_adopted]
    return [*items, *_routines(status), *gone, *touched, *adopted]


def _routines(status: ServiceStatus) -> list[Item]:
    """Name the pending routines, or count them where naming them would hide the rest."""
    if len(status.routines_pending) > MOST_NAMED:
        return [("pending", f"{len(status.routines_pending)} routines", "")]
    return [("pending", routine.partition("/")[2], "routine") for routine in status.routines_pending]


def _document(status: ServiceStatus, node: str | None) -> dict[str, Any]:
    pending = sum(migration.state in {"pending", "failed", "interrupted"} for migration in status.migrations)
    problem = next((m.state for m in status.migrations if m.state not in {"applied", "pending"}), None)
    last = max((m.at for m in status.migrations if m.at and m.state == "applied"), default=None)
    return {
        "service": status.service,
        "state": problem or ("up to date" if status.is_current else "pending"),
        "applied": status.count("applied"),
        "pending": pending,
        "routines": status.routines_deployed,
        "last": _minute(last),
        "server": f"{status.server}, {node}" if node else status.server,
        "migrations": [{"id": m.id, "state": m.state, "at": m.at, "note": m.note} for m in status.migrations],
        "routines_pending": status.routines_pending,
        "routines_gone": status.routines_gone,
        "routines_changed": [suspect.object for suspect in status.routines_changed],
        "routines_adopted": [suspect.object for suspect in status.routines_adopted],
    }


def _minute(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else ""


def _redis(store: Store) -> tuple[dict[str, Any], list[Item]]:
    from dbkit.redis import journal
    from dbkit.redis.connect import product
    from dbkit.redis.migrations import load_key_migrations
    from dbkit.redis.scripts import load_scripts, loaded

    project, service = store.target.project, store.service
    scripts, files = load_scripts(project, service), load_key_migrations(project, service)
    with store.connect() as client:
        found = loaded(client, project, service, scripts)
        server = product(client)
        entries = journal.read(client, project, service)
    known = journal.statuses(entries)
    migrations = [_key_migration(name, known.get(name)) for name in dict.fromkeys([*(f.name for f in files), *known])]
    for migration in migrations:
        file = next((f for f in files if f.name == migration["id"]), None)
        if migration["state"] == "applied" and (file is None or known[file.name].last.fields["checksum"] != file.checksum):
            migration["state"] = "changed" if file else "missing"
    left = [m for m in migrations if m["state"] != "applied"]
    problem = next((m["state"] for m in left if m["state"] != "pending"), None)
    release = journal.last_release(entries)
    document = {
        "service": store.name,
        "state": problem or ("pending" if left or not found.is_current else "up to date"),
        "applied": len(migrations) - len(left),
        "pending": len(left),
        "routines": len(found.present),
        "last": _minute(release.at if release else None),
        "server": server,
        "release": release.fields if release else None,
        "migrations": migrations,
        "scripts": {"present": found.present, "missing": found.missing, "library": found.library},
    }
    items = [(m["state"], m["id"], m["note"]) for m in left]
    return document, items if found.is_current else [*items, ("pending", f"{len(scripts)} scripts", "")]


def _key_migration(name: str, status: Status | None) -> dict[str, Any]:
    if status is None:
        return {"id": name, "state": "pending", "at": None, "note": ""}
    fields = status.last.fields
    note = fields.get("error", "") or (f"{fields['scanned']} keys, {fields['changed']} changed" if "scanned" in fields else "")
    return {"id": name, "state": status.state, "at": status.last.at, "note": note}
