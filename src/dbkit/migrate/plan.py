"""What `migrate` would do: the files against the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError
from dbkit.migrate.applied import IS_APPLIED, accounted_for, is_applied, is_recognised, refuse_part_of_a_baseline
from dbkit.postgres import journal
from dbkit.postgres.connect import Authority, Database, authority
from dbkit.routines.definitions import touched
from dbkit.routines.plan import RoutinePlan, plan_routines
from dbkit.source.files import Migration, gaps, load_migrations
from dbkit.source.repeatables import Routine, load_routines

if TYPE_CHECKING:
    import psycopg

    from dbkit.migrate.check import Checked
    from dbkit.postgres.journal import Entry
    from dbkit.project.target import Target
    from dbkit.source.statements import Statement


@dataclass(frozen=True, slots=True)
class PlannedMigration:
    """A migration that is not applied, and the statements that it would send; `gap` is the number that is missing before it."""

    migration: Migration
    checked: Checked
    out_of_order: bool
    gap: str

    @property
    def statements(self) -> tuple[Statement, ...]:
        return self.checked.statements

    @property
    def measure(self) -> str:
        """How much it is: statements; of a large file, which is not held in memory, megabytes."""
        if self.migration.script.is_large:
            return f"{self.migration.script.length / 1e6:.0f} MB"
        count = self.checked.count
        return f"{count} statement{'' if count == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of a service, rendered for the roles of a server; `checked` remembers each that was looked at."""

    migrations: tuple[Migration, ...]
    routines: tuple[Routine, ...]
    checked: dict[str, Checked] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that one service's run would do, in order, and what it found on the way.

    `version` is the journal's; `recognised` are baselines of which the database has all that they squash: they are marked, not run.
    """

    service: str
    sources: Sources
    authority: Authority
    migrations: tuple[PlannedMigration, ...]
    routines: RoutinePlan
    applied: tuple[str, ...]
    cosmetic: tuple[str, ...]
    state: Mapping[str, Entry]
    version: int
    recognised: tuple[Migration, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.recognised or self.migrations or self.routines.before or self.routines.after)


def make_plan(
    database: Database,
    connection: psycopg.Connection[tuple[Any, ...]],
    *,
    to: str | None = None,
    sources: Sources | None = None,
    migrations: tuple[Migration, ...] | None = None,
    overwrite: bool = False,
) -> Plan:
    """Read files and journal and compare. Writes nothing.

    `to` is the last migration wanted (its name, or `service/name`): the routines of the after phase, which are
    written for the last one, then wait. `sources` are the files, where they were read before, or `migrations` some of them;
    `overwrite` makes routines due that were changed by hand.
    Raises ConfigurationError for whatever stands against a run: an edited, missing or out-of-order migration, a
    statement that can't run where it stands.
    """
    target = database.target
    found = authority(connection, target)
    version = journal.version(connection)
    journal.refuse_newer(version)
    state = journal.state(connection, target.service, version)
    sources = sources or read_sources(target, found.roles, migrations)
    files = list(sources.migrations)
    refuse_part_of_a_baseline(files, state)
    _refuse_missing(files, state)
    _refuse_half_undone(connection, target.service, version)
    cosmetic = _compare_applied(connection, files, state)
    unapplied = [m for m in files if not is_applied(m, state)]
    pending = _up_to(unapplied, to, files)
    later = _applied_after(files, state)
    seen = touched(connection, target.service, version)
    overwritten = {suspect.routine for suspect in (*seen.changed, *seen.adopted)} if overwrite else set()
    routines = plan_routines(sources.routines, state, found.major, seen, schema=target.schema, overwritten=overwritten)
    missing = _gaps(files, state)
    if len(pending) < len(unapplied):
        routines = replace(routines, after=())
    return Plan(
        service=target.service,
        sources=sources,
        authority=found,
        migrations=tuple(_planned(m, sources, later.get(m.id), missing.get(m.id, ""), target, found.major) for m in pending),
        routines=routines,
        applied=tuple(m.id for m in files if is_applied(m, state)),
        cosmetic=tuple(cosmetic),
        state=state,
        version=version,
        recognised=tuple(m for m in files if is_recognised(m, state)),
    )


def read_sources(target: Target, roles: Mapping[str, str], migrations: tuple[Migration, ...] | None = None) -> Sources:
    """Read and render the files of a service for the roles of a server; `migrations` are those that were read before."""
    project, service = target.project, target.service
    versioned = tuple(load_migrations(project, service)) if migrations is None else migrations
    return Sources(versioned, tuple(load_routines(project, service, roles)))


def _up_to(pending: list[Migration], to: str | None, files: list[Migration]) -> list[Migration]:
    if to is None:
        return pending
    wanted = {migration.id for migration in files[: find(files, to) + 1]}
    return [migration for migration in pending if migration.id in wanted]


def find(files: list[Migration], wanted: str) -> int:
    """Return the position of a migration given as `name`, `service/name` or its number."""
    from dbkit.errors import nearest

    for index, migration in enumerate(files):
        number = migration.name.partition("_")[0]
        if wanted in {migration.id, migration.name, number, number.lstrip("0")}:
            return index
    known = [migration.name for migration in files]
    raise ConfigurationError(f"no migration {wanted!r}{nearest(wanted, known)}", hint=f"the last is {known[-1]}" if known else None)


def _refuse_missing(files: list[Migration], state: Mapping[str, Entry]) -> None:
    known = accounted_for(files, state)
    for entry in state.values():
        if entry.kind != "migration" or entry.event not in IS_APPLIED or entry.object in known:
            continue
        twin = next((m for m in files if m.script.checksum == entry.checksum), None)
        if twin:
            raise ConfigurationError(
                f"applied migration {entry.object} was renamed to {twin.name}",
                where=f"{twin.path}:1",
                hint=f"a name is an identity: give the file its old one back, or accept the new one: dbkit repair {_of(entry)} --reason …",
            )
        raise ConfigurationError(
            f"applied migration {entry.object} has no file any more",
            hint=f"bring the file back from version control, or let go of it: dbkit repair {_of(entry)} --reason …",
        )


def _refuse_half_undone(connection: psycopg.Connection[tuple[Any, ...]], service: str, version: int) -> None:
    """Raise where a rollback without a transaction ended in the middle: what is applied is not all there."""
    for name in journal.half_undone(connection, service, version):
        raise ConfigurationError(
            f"the rollback of {name} ended in the middle",
            hint=f"finish it first: dbkit rollback {service}; then `dbkit migrate` applies it again",
        )


def _of(entry: Entry) -> str:
    """Return service and name, as a command takes them."""
    return entry.object.replace("/", " ")


def _compare_applied(connection: psycopg.Connection[tuple[Any, ...]], files: list[Migration], state: Mapping[str, Entry]) -> list[str]:
    """Return the ids whose text differs in form only; refuse those that differ in substance."""
    cosmetic = []
    for migration in files:
        entry = state.get(migration.id)
        if not entry or entry.event not in IS_APPLIED or entry.text_hash == migration.script.digest:
            continue
        if entry.checksum == migration.script.checksum:
            cosmetic.append(migration.id)
            continue
        before, _ = (None, None) if migration.script.is_large else journal.stored(connection, migration.id)
        raise ConfigurationError(
            f"{migration.id} was edited after it had been applied (on {entry.at:%Y-%m-%d %H:%M})",
            where=_first_difference(migration, before),
            excerpt=_difference(before, migration.script.text) if before is not None else None,
            hint=f"bring the old text back and write a new migration, or accept the new text: dbkit repair {_of(entry)} --reason …",
        )
    return cosmetic


def _difference(before: str, after: str) -> str:
    import difflib

    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "applied", "now", lineterm="", n=1)
    return "\n".join(list(lines)[:20])


def _first_difference(migration: Migration, before: str | None) -> str:
    if before is None:
        return f"{migration.path}:1"
    for number, (old, new) in enumerate(zip(before.splitlines(), migration.script.text.splitlines(), strict=False), 1):
        if old != new:
            return str(migration.script.origin(number))
    return f"{migration.path}:1"


def _applied_after(files: list[Migration], state: Mapping[str, Entry]) -> dict[str, str]:
    """Return for each migration the next one after it that is applied."""
    found: dict[str, str] = {}
    following = None
    for migration in reversed(files):
        if following:
            found[migration.id] = following
        if is_applied(migration, state):
            following = migration.id
    return found


def _gaps(files: list[Migration], state: Mapping[str, Entry]) -> dict[str, str]:
    """Return for each migration the first number that is missing before it, those left out that the journal knows of."""
    known = {int(number) for entry in state.values() if (number := entry.object.partition("/")[2].partition("_")[0]).isdigit()}
    found = {name: [number for number in numbers if number not in known] for name, numbers in gaps(files).items()}
    return {name: f"{numbers[0]:04}" for name, numbers in found.items() if numbers}


def _planned(migration: Migration, sources: Sources, later: str | None, gap: str, target: Target, server: int) -> PlannedMigration:
    if later and target.policy.out_of_order == "error":
        raise ConfigurationError(
            f"{migration.id} is not applied, but {later} after it is",
            where=f"{migration.path}:1",
            hint="give it the next free number, or allow it with `out_of_order` under [migrate] in dbkit.toml",
        )
    if gap and target.policy.out_of_order == "error":
        raise ConfigurationError(
            f"no migration has the number {gap}, and {migration.id} comes after it",
            where=f"{migration.path}:1",
            hint="is a file missing here? else give this one the number, or allow gaps with `out_of_order` under [migrate] in dbkit.toml",
        )
    if migration.rollback is None and migration.irreversible is None:
        raise ConfigurationError(
            f"{migration.id} has no rollback",
            where=f"{migration.path}:1",
            hint=f"write {migration.name}.rollback.sql beside it, or say `-- irreversible: why` at the top of the file",
        )
    if migration.id not in sources.checked:
        from dbkit.migrate.check import check

        sources.checked[migration.id] = check(migration, "up", target.schema, server)
        if migration.rollback is not None:
            check(migration, "down", target.schema, server)
    return PlannedMigration(migration, sources.checked[migration.id], bool(later), gap)
