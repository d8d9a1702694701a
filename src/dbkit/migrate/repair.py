"""Making journal and files agree where a person has decided what is true: with a reason that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dbkit.errors import ConfigurationError
from dbkit.migrate.applied import IS_APPLIED, accounted_for
from dbkit.migrate.backfill import forget
from dbkit.migrate.baseline import record
from dbkit.migrate.engine import Engine, Listener, engine, finish, prepare
from dbkit.migrate.unit import run_in_transaction
from dbkit.postgres import journal
from dbkit.postgres.connect import authority, open_watcher, refuse_read_only
from dbkit.source.files import Migration, load_migrations

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.connect import Database
    from dbkit.postgres.journal import Entry, Run

Kind = Literal["edited", "renamed", "gone", "unfinished", "half undone"]


@dataclass(frozen=True, slots=True)
class Repair:
    """One disagreement, and how it would be settled. `migration` is the file as it is now, where there is one."""

    id: str
    kind: Kind
    migration: Migration | None

    @property
    def consequence(self) -> str:
        return {
            "edited": "the file as it is now counts as what was applied",
            "renamed": f"it goes on as {self.migration.name if self.migration else ''}",
            "gone": "it counts as never applied",
            "unfinished": "it is pending again, from its beginning",
            "half undone": "it counts as applied again",
        }[self.kind]


def plan_repair(database: Database, connection: psycopg.Connection[tuple[Any, ...]], wanted: str | None) -> list[Repair]:
    """Return what does not agree, or of it what concerns the migration `wanted`.

    Raises ConfigurationError where nothing does.
    """
    version = journal.version(connection)
    journal.refuse_newer(version)
    state = journal.state(connection, database.service, version)
    files = {migration.id: migration for migration in load_migrations(database.target.project, database.service)}
    let_go = accounted_for(list(files.values()), state) - files.keys()
    entries = [entry for entry in state.values() if entry.kind == "migration" and entry.object not in let_go]
    found = [repair for entry in entries if (repair := _compared(entry, files, state))]
    found += [Repair(name, "half undone", files.get(name)) for name in journal.half_undone(connection, database.service, version)]
    if wanted is not None:
        found = [repair for repair in found if wanted in {repair.id, *_names(repair.id)}]
    if not found:
        raise ConfigurationError(f"nothing to repair: journal and files of {wanted or database.service} agree")
    return found


def _names(object_id: str) -> set[str]:
    name = object_id.partition("/")[2]
    number = name.partition("_")[0]
    return {name, number, number.lstrip("0")}


def _compared(entry: Entry, files: dict[str, Migration], state: dict[str, Entry]) -> Repair | None:
    migration = files.get(entry.object)
    if entry.event in {"failed", "interrupted", "started"}:
        return Repair(entry.object, "unfinished", migration)
    if entry.event not in IS_APPLIED:
        return None
    if migration is None:
        twins = (m for m in files.values() if m.id not in state and m.script.checksum == entry.checksum)
        twin = next(twins, None)
        return Repair(entry.object, "renamed" if twin else "gone", twin)
    if migration.script.digest == entry.text_hash or migration.script.checksum == entry.checksum:
        return None
    return Repair(entry.object, "edited", migration)


def repair(database: Database, run: Run, listener: Listener, *, wanted: str | None, reason: str, lock_wait: float = 60.0) -> list[Repair]:
    """Write what is true now, all in one transaction; return what was settled."""
    watcher, pooled = open_watcher(database, "repair")
    with watcher:
        who = authority(watcher, database.target)
        refuse_read_only(database, who)
        plan_repair(database, watcher, wanted)
        with engine(database, watcher, who, run, listener, pooled=pooled, lock_wait=lock_wait) as work:
            prepare(work)
            found = plan_repair(database, watcher, wanted)

            def mark() -> None:
                for item in found:
                    _write(work, item, reason)

            run_in_transaction(work.session, name="the repair", text="", source=None, mark=mark)
            finish(work, {"repaired": len(found)})
    return found


def _write(work: Engine, item: Repair, reason: str) -> None:
    connection, run, schema = work.connection, work.run, work.database.target.schema
    detail = {"reason": reason}
    if item.kind in {"edited", "half undone"} and item.migration:
        record(connection, run, "repaired", item.migration, detail)
        return
    journal.append(connection, run, "rolled back", "migration", item.id, detail=detail | {"repaired": item.kind})
    if item.kind == "unfinished":
        forget(work, item.id)
        return
    journal.mark(connection, run, schema, item.id.partition("/")[2], "rollback")
    if item.migration:
        journal.mark(connection, run, schema, item.migration.name, "apply")
        record(connection, run, "repaired", item.migration, detail | {"renamed from": item.id})


def settle_statement(
    database: Database, run: Run, listener: Listener, *, wanted: str, finished: bool, reason: str, lock_wait: float = 60.0
) -> str:
    """Answer whether the statement that a run died in has finished; return the migration's id.

    Raises ConfigurationError where no statement is open.
    """
    watcher, pooled = open_watcher(database, "repair")
    with watcher:
        who = authority(watcher, database.target)
        refuse_read_only(database, who)
        with engine(database, watcher, who, run, listener, pooled=pooled, lock_wait=lock_wait):
            for entry in journal.state(watcher, database.service).values():
                if entry.kind != "migration" or wanted not in {entry.object, *_names(entry.object)}:
                    continue
                for direction in ("up", "down"):
                    open_ = _open_step(watcher, entry.object, direction)
                    if open_:
                        detail: dict[str, Any] = {"direction": direction, "reason": reason} | ({} if finished else {"again": True})
                        journal.append(
                            watcher,
                            run,
                            "done" if finished else "intended",
                            "migration",
                            entry.object,
                            rendered=open_.text,
                            checksum=open_.checksum,
                            statement=open_.number,
                            detail=detail,
                        )
                        return entry.object
    raise ConfigurationError(f"{wanted} has no statement whose end is not known", hint=f"dbkit status {database.service}")


def _open_step(connection: psycopg.Connection[tuple[Any, ...]], object_id: str, direction: str) -> journal.Step | None:
    steps = journal.steps(connection, object_id, direction)
    done = {step.number for step in steps if step.event == "done"}
    return next((step for step in reversed(steps) if step.event == "intended" and step.number not in done), None)
