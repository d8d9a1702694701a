"""Is the live schema what the migrations say? It is compared with a rebuild on a throw-away server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dbkit.migrate.applied import is_applied
from dbkit.migrate.plan import Sources
from dbkit.postgres import catalog, journal
from dbkit.postgres.connect import Database, authority
from dbkit.postgres.objects import Key, Object
from dbkit.postgres.throwaway import settings_for, throwaway_server
from dbkit.routines.stored import stored_routine
from dbkit.source.files import load_migrations
from dbkit.verify.canonical import aligned
from dbkit.verify.compare import Difference, compare
from dbkit.verify.rebuild import rebuild
from dbkit.verify.repair import Step, plan_repair, script
from dbkit.verify.stand_ins import offers
from dbkit.verify.touched import last_to_touch
from dbkit.verify.unknown import Unknown, ignored, set_apart

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.partitions import Partition

# a read-only look that waits for nobody and never runs for long
READING = {"default_transaction_read_only": "on", "lock_timeout": "5s", "statement_timeout": "60s"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found. `unknown` could not be compared; `notes` say what was not; `repair` is one script that ends the drift.

    `objects` is how many there should be of those that are known, `target` and `rebuilt_on` are the majors.
    """

    differences: tuple[Difference, ...]
    unknown: tuple[Unknown, ...]
    notes: tuple[str, ...]
    repair: str
    objects: int
    target: int
    rebuilt_on: int


def verify(database: Database, progress: Callable[[str], None]) -> Verdict:
    """Rebuild what is applied there on a throw-away server, and compare. Writes nothing.

    The server is of the target's major, else of the next higher one that is there. Raises DbkitError where none is new enough.
    """
    target = database.target
    with database.connect("verify", **READING) as connection:
        who = authority(connection, target)
        sources = recorded(database, connection)
        offered = offers(connection)
        found = catalog.read(connection, catalog.schemas_of(connection, target.schema, who.owner), needs=True)
    settings, major = settings_for(who.major, target.settings)
    progress(f"rebuilding on PostgreSQL {major}")
    with throwaway_server(settings) as server:
        made = rebuild(database, sources, server, offered)
    notes = []
    if major != who.major:
        notes.append(
            f"the target is PostgreSQL {who.major}, the rebuild PostgreSQL {major}: what they print differently is compared by parsing"
        )
    made.catalog, found = aligned(made.catalog, found)
    if who.alone:
        made.catalog, found = _without_roles(made.catalog), _without_roles(found)
        notes.append(f"one role does everything here: owners and privileges are not compared ({who.session})")
    expected, unknown = set_apart(found, made)
    expected = ignored(expected, found, tuple(target.project.manifest.verify.ignore))
    repairs = plan_repair(expected, found, who.owner)
    steps: dict[Key, list[Step]] = {}
    for repair in repairs:
        steps.setdefault(repair.cause, []).append(repair.step)
    things = {**found.objects, **expected.objects}
    differences = [_explained(d, things, steps, sources, target.schema) for d in compare(expected, found)]
    text = script((repair.step for repair in repairs), who.owner, who.session)
    apart = {entry.object for entry in unknown}
    known = [t for t in expected.objects.values() if not {t.shown, f"{t.schema}.{t.relation}"} & apart]
    return Verdict(tuple(differences), tuple(unknown), tuple(notes), text, len(known), who.major, major)


def recorded(database: Database, connection: psycopg.Connection[tuple[Any, ...]]) -> Sources:
    """Return what the journal says is in: the applied migrations, and the routines as they were deployed."""
    target = database.target
    journal.refuse_newer(journal.version(connection))
    state = journal.state(connection, target.service)
    migrations = tuple(m for m in load_migrations(target.project, target.service) if is_applied(m, state))
    deployed = [entry for entry in state.values() if entry.kind == "routine" and entry.event == "deployed"]
    texts = journal.texts(connection, [entry.id for entry in deployed])
    root = target.project.root
    routines = tuple(
        stored_routine(e.object, texts[e.object], (e.detail or {}).get("phase", "after"), root, texts)
        for e in deployed
        if e.object in texts
    )
    return Sources(migrations, routines)


def _without_roles(found: catalog.Catalog) -> catalog.Catalog:
    def bare(thing: Object) -> Object:
        return replace(thing, details={name: value for name, value in thing.details.items() if name not in {"owner", "privileges"}})

    def alike(part: Partition) -> Partition:
        rest = {name: value for name, value in part.deviations.items() if name not in {"owner", "privileges"}}
        return replace(part, parent=bare(part.parent), table=bare(part.table), deviations=rest)

    objects = {key: bare(thing) for key, thing in found.objects.items() if thing.kind != "default privileges"}
    return replace(found, objects=objects, partitions=tuple(map(alike, found.partitions)))


def _explained(
    difference: Difference,
    things: Mapping[Key, Object],
    steps: Mapping[Key, list[Step]],
    sources: Sources,
    schema: str,
) -> Difference:
    """Add the statements that put it right, and where the object was made."""
    made_by = ""
    if difference.verdict != "unexpected" and difference.key in things:
        scripts = [(m.id, m.script.text) for m in sources.migrations] + [(r.id, r.script.text) for r in sources.routines]
        made_by = last_to_touch(things[difference.key], schema, scripts)
    return replace(difference, made_by=made_by, repair=tuple(dict.fromkeys(steps.get(difference.key, ()))))
