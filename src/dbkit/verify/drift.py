"""Is the live schema what the migrations say? It is compared with a rebuild on a throw-away server."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any, Literal

from dbkit.migrate.apply import migrate
from dbkit.migrate.plan import Sources, is_applied
from dbkit.postgres import catalog, journal
from dbkit.postgres.connect import Database, authority
from dbkit.postgres.roles import prepare_cluster
from dbkit.postgres.throwaway import settings_for, throwaway_server
from dbkit.source import headers
from dbkit.source.files import Routine, load_migrations
from dbkit.source.script import Script
from dbkit.verify.compare import Difference, compare

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from dbkit.postgres.server import Server


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found; `notes` say what could not be compared."""

    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    objects: int


def verify(database: Database, progress: Callable[[str], None]) -> Verdict:
    """Rebuild what is applied there on a throw-away server of the same major, and compare. Writes nothing.

    Raises DbkitError where no server program is new enough.
    """
    with database.connect("verify", default_transaction_read_only="on", lock_timeout="5s") as connection:
        who = authority(connection, database.target)
        sources = recorded(database, connection)
        found = catalog.read(connection, catalog.schemas_of(connection, database.target.schema, who.owner))
    settings, major = settings_for(who.major, database.target.settings)
    progress(f"rebuilding on PostgreSQL {major}")
    with throwaway_server(settings) as server:
        expected = _rebuilt(database, sources, server)
    notes = (
        []
        if major == who.major
        else [f"rebuilt on PostgreSQL {major}, as there is no {who.major} here: what the versions print may differ"]
    )
    if who.alone:
        expected, found = _without_roles(expected), _without_roles(found)
        notes.append(f"one role does everything here: owners and privileges are not compared ({who.session})")
    ignored = database.target.project.manifest.verify.ignore
    differences = [d for d in compare(expected, found) if not any(fnmatch(d.object, pattern) for pattern in ignored)]
    return Verdict(tuple(_attributed(d, sources) for d in differences), tuple(notes), len(expected.objects))


def recorded(database: Database, connection: psycopg.Connection[tuple[Any, ...]]) -> Sources:
    """Return what the journal says is in: the applied migrations, and the routines as they were deployed."""
    target = database.target
    journal.refuse_newer(journal.version(connection))
    state = journal.state(connection, target.service)
    migrations = tuple(m for m in load_migrations(target.project, target.service) if is_applied(m, state))
    deployed = [entry for entry in state.values() if entry.kind == "routine" and entry.event == "deployed"]
    texts = journal.texts(connection, [entry.id for entry in deployed])
    root = target.project.root
    routines = tuple(_routine(e.object, texts[e.object], e.detail or {}, root) for e in deployed if e.object in texts)
    return Sources(migrations, routines)


def _routine(name: str, text: str, detail: dict[str, Any], root: Path) -> Routine:
    found = headers.read_headers(text, headers.ROUTINE_HEADERS, name)
    phase: Literal["before", "after"] = "before" if detail.get("phase") == "before" else "after"
    script = Script(root / name, text, {}, ())
    return Routine(name, script, phase, tuple(re.findall(r"[^,\s]+", found.get("depends", ""))), None)


def _rebuilt(database: Database, sources: Sources, server: Server) -> catalog.Catalog:
    from dbkit.postgres.journal import Run

    target = database.target
    prepare_cluster(server.conninfo("postgres"), target.project, [target.service])
    rebuild = Database(replace(target, url=None, migrate_url=None), server)
    migrate(rebuild, Run(target.environment, None), lambda _event: None, sources=sources)
    with rebuild.connect("verify") as connection:
        owner = authority(connection, target).owner
        return catalog.read(connection, catalog.schemas_of(connection, target.schema, owner))


def _without_roles(found: catalog.Catalog) -> catalog.Catalog:
    objects = {
        key: replace(thing, details={name: value for name, value in thing.details.items() if name not in {"owner", "privileges"}})
        for key, thing in found.objects.items()
        if thing.kind != "default privileges"
    }
    return replace(found, objects=objects)


def _attributed(difference: Difference, sources: Sources) -> Difference:
    """Name where the object was made: the last migration that names it, with its table; else the routine that creates it."""
    if difference.verdict == "unexpected":
        return difference
    names = [re.escape(part.strip('"')) for part in difference.object.partition("(")[0].split(".")[1:]]
    mention = [rf"\b{name}\b" for name in names]
    migrations = [m.id for m in sources.migrations if all(re.search(name, m.script.text) for name in mention)]
    creating = rf"(?i)\bCREATE\b[^;(]*{mention[-1]}" if mention else r"\A\Z"
    routines = [r.id for r in sources.routines if re.search(creating, r.script.text)]
    return replace(difference, made_by=(migrations or routines or [""])[-1])
