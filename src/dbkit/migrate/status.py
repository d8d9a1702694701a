"""What is applied, pending, changed, missing or failed in one service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from dbkit.migrate.applied import IS_APPLIED, accounted_for, is_recognised
from dbkit.migrate.plan import Sources, read_sources
from dbkit.postgres import journal
from dbkit.postgres.connect import Authority, Database, authority
from dbkit.routines.definitions import Suspect, touched
from dbkit.routines.plan import deployed, plan_routines

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.journal import Entry
    from dbkit.source.files import Migration

State = Literal["applied", "pending", "changed", "missing", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """One migration; `at` is when its last event was."""

    id: str
    state: State
    at: datetime | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service at a glance."""

    service: str
    server: str
    migrations: tuple[MigrationStatus, ...]
    routines_deployed: int
    routines_pending: tuple[str, ...]
    routines_gone: tuple[str, ...]
    routines_changed: tuple[Suspect, ...]
    routines_adopted: tuple[Suspect, ...]

    def count(self, state: State) -> int:
        return sum(migration.state == state for migration in self.migrations)

    @property
    def is_current(self) -> bool:
        return not self.routines_pending and all(m.state == "applied" for m in self.migrations)


def read_status(
    database: Database, connection: psycopg.Connection[tuple[Any, ...]], who: Authority | None = None, sources: Sources | None = None
) -> ServiceStatus:
    """Compare files and journal. Writes nothing, so a standby will do. `sources` are the files, where they were read before."""
    target = database.target
    who = who or authority(connection, target)
    version = journal.version(connection)
    journal.refuse_newer(version)
    state = journal.state(connection, target.service, version)
    sources = sources or read_sources(target, who.roles)
    files = list(sources.migrations)
    known = accounted_for(files, state)
    missing = [
        MigrationStatus(entry.object, "missing", entry.at, "applied, but its file is gone")
        for entry in state.values()
        if entry.kind == "migration" and entry.event in IS_APPLIED and entry.object not in known
    ]
    routines = plan_routines(list(sources.routines), state, who.major, touched(connection, target.service, version), schema=target.schema)
    return ServiceStatus(
        service=target.name,
        server=f"PostgreSQL {who.version}",
        migrations=(*(_status(migration, state) for migration in files), *missing),
        routines_deployed=len(deployed(state)),
        routines_pending=routines.pending,
        routines_gone=routines.gone,
        routines_changed=routines.touched.changed,
        routines_adopted=routines.touched.adopted,
    )


def _status(migration: Migration, state: Mapping[str, Entry]) -> MigrationStatus:
    entry = state.get(migration.id)
    if is_recognised(migration, state):
        return MigrationStatus(migration.id, "pending", None, "what it squashes is applied: `dbkit migrate` marks it, and runs nothing")
    if entry is None or entry.event == "rolled back":
        return MigrationStatus(migration.id, "pending", entry.at if entry else None, "rolled back" if entry else "")
    reason = str((entry.detail or {}).get("reason", ""))
    if reason and entry.event in IS_APPLIED and entry.text_hash == migration.script.digest:
        return MigrationStatus(migration.id, "applied", entry.at, f"{entry.event}: {reason}")
    if entry.event == "started":
        return MigrationStatus(migration.id, "interrupted", entry.at, "under way, or ended in the middle: `dbkit migrate` goes on there")
    if entry.event in {"failed", "interrupted"}:
        message = str((entry.detail or {}).get("message", "")).partition("\n")[0]
        return MigrationStatus(migration.id, "failed" if entry.event == "failed" else "interrupted", entry.at, message)
    if entry.text_hash == migration.script.digest:
        return MigrationStatus(migration.id, "applied", entry.at)
    if entry.checksum == migration.script.checksum:
        return MigrationStatus(migration.id, "applied", entry.at, "reformatted since")
    return MigrationStatus(migration.id, "changed", entry.at, "edited after it had been applied")
