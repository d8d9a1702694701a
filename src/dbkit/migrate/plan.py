"""What `migrate` would do: the files against the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from dbkit.errors import ConfigurationError
from dbkit.postgres import journal
from dbkit.postgres.connect import Authority, Database, authority
from dbkit.routines import RoutinePlan, plan_routines
from dbkit.source import statements
from dbkit.source.backfill import chunks
from dbkit.source.checksum import text_hash, token_hash
from dbkit.source.files import Migration, Routine, load_migrations, load_routines
from dbkit.source.headers import ROLLBACK_HEADERS, boolean, read_headers
from dbkit.source.lexer import ScriptSyntaxError

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.journal import Entry
    from dbkit.project.target import Target

IS_APPLIED = frozenset({"applied", "baselined", "repaired"})


@dataclass(frozen=True, slots=True)
class PlannedMigration:
    """A migration that is not applied; `count` is that of the statements that it would send."""

    migration: Migration
    count: int
    out_of_order: bool

    @property
    def statements(self) -> tuple[statements.Statement, ...]:
        """Parse again: the trees of all migrations together would fill the memory."""
        return tuple(statements.parse(statements.strip_restrict(self.migration.script.text)))


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of a service, rendered for the roles of a server; `checked` has the number of statements of each that was looked at."""

    migrations: tuple[Migration, ...]
    routines: tuple[Routine, ...]
    checked: dict[str, int] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that one service's run would do, in order, and what it found on the way."""

    service: str
    sources: Sources
    authority: Authority
    migrations: tuple[PlannedMigration, ...]
    routines: RoutinePlan
    applied: tuple[str, ...]
    cosmetic: tuple[str, ...]
    state: Mapping[str, Entry]

    @property
    def is_empty(self) -> bool:
        return not (self.migrations or self.routines.before or self.routines.after)


def make_plan(
    database: Database, connection: psycopg.Connection[tuple[Any, ...]], *, to: str | None = None, sources: Sources | None = None
) -> Plan:
    """Read files and journal and compare. Writes nothing.

    `to` is the last migration wanted (its name, or `service/name`): the routines of the after phase, which are
    written for the last one, then wait. `sources` are the files, where they were read before.
    Raises ConfigurationError for whatever stands against a run: an edited, missing or out-of-order migration, a
    statement that can't run where it stands.
    """
    target = database.target
    found = authority(connection, target)
    journal.refuse_newer(journal.version(connection))
    state = journal.state(connection, target.service)
    sources = sources or Sources(
        tuple(load_migrations(target.project, target.service)), tuple(load_routines(target.project, target.service, found.roles))
    )
    files = list(sources.migrations)
    _refuse_missing(files, state)
    _refuse_half_undone(connection, target.service)
    cosmetic = _compare_applied(connection, files, state)
    unapplied = [m for m in files if not is_applied(m, state)]
    pending = _up_to(unapplied, to, files)
    later = _applied_after(files, state)
    routines = plan_routines(list(sources.routines), state, found.major)
    if len(pending) < len(unapplied):
        routines = replace(routines, after=())
    return Plan(
        service=target.service,
        sources=sources,
        authority=found,
        migrations=tuple(_planned(m, sources, later.get(m.id), target) for m in pending),
        routines=routines,
        applied=tuple(m.id for m in files if is_applied(m, state)),
        cosmetic=tuple(cosmetic),
        state=state,
    )


def is_applied(migration: Migration, state: Mapping[str, Entry]) -> bool:
    """Say whether the last event of the migration leaves it in the database."""
    entry = state.get(migration.id)
    return entry is not None and entry.event in IS_APPLIED


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
    known = {migration.id for migration in files}
    for entry in state.values():
        if entry.kind != "migration" or entry.event not in IS_APPLIED or entry.object in known:
            continue
        twin = next((m for m in files if token_hash(m.script.text) == entry.checksum), None)
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


def _refuse_half_undone(connection: psycopg.Connection[tuple[Any, ...]], service: str) -> None:
    """Raise where a rollback without a transaction ended in the middle: what is applied is not all there."""
    for name in journal.half_undone(connection, service):
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
        if not entry or entry.event not in IS_APPLIED or entry.text_hash == text_hash(migration.script.text):
            continue
        if entry.checksum == token_hash(migration.script.text):
            cosmetic.append(migration.id)
            continue
        before, _ = journal.stored(connection, migration.id)
        raise ConfigurationError(
            f"{migration.id} was edited after it had been applied (on {entry.at:%Y-%m-%d %H:%M})",
            where=_first_difference(migration, before or ""),
            excerpt=_difference(before or "", migration.script.text),
            hint=f"bring the old text back and write a new migration, or accept the new text: dbkit repair {_of(entry)} --reason …",
        )
    return cosmetic


def _difference(before: str, after: str) -> str:
    import difflib

    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "applied", "now", lineterm="", n=1)
    return "\n".join(list(lines)[:20])


def _first_difference(migration: Migration, before: str) -> str:
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


def _planned(migration: Migration, sources: Sources, later: str | None, target: Target) -> PlannedMigration:
    if later and target.policy.out_of_order == "error":
        raise ConfigurationError(
            f"{migration.id} is not applied, but {later} after it is",
            where=f"{migration.path}:1",
            hint="give it the next free number, or allow it with `out_of_order` under [migrate] in dbkit.toml",
        )
    if migration.rollback is None and migration.irreversible is None:
        raise ConfigurationError(
            f"{migration.id} has no rollback",
            where=f"{migration.path}:1",
            hint=f"write {migration.name}.rollback.sql beside it, or say `-- irreversible: why` at the top of the file",
        )
    if migration.id not in sources.checked:
        sources.checked[migration.id] = len(check(migration, "up", target.schema))
        if migration.rollback is not None:
            check(migration, "down", target.schema)
    return PlannedMigration(migration, sources.checked[migration.id], bool(later))


def check(migration: Migration, direction: Literal["up", "down"], schema: str) -> list[statements.Statement]:
    """Parse one side of a migration and refuse what can't run; errors name the template's line."""
    script = migration.script if direction == "up" else migration.rollback
    assert script is not None  # noqa: S101 callers ask for a side that is there
    text = statements.strip_restrict(script.text)
    try:
        parsed = statements.parse(text)
    except ScriptSyntaxError as exc:
        raise ConfigurationError(
            exc.message, where=str(script.origin(exc.line)), hint=exc.hint, excerpt=statements.excerpt(text, exc.line)
        ) from exc
    if not parsed:
        raise ConfigurationError("the file holds no statement", where=f"{script.path}:1", hint="delete it, or write what it is for")
    transactional = migration.transactional and migration.backfill is None
    if direction == "down":
        transactional = is_transactional(script.text, str(script.path))
    for objection in statements.objections(parsed, schema=schema, transactional=transactional, allow=migration.allow):
        raise ConfigurationError(
            objection.message,
            where=str(script.origin(objection.line)),
            hint=objection.hint,
            excerpt=statements.excerpt(text, objection.line),
        )
    if direction == "up" and migration.backfill is not None:
        chunks(parsed, migration.backfill, str(script.path))
    return parsed


def is_transactional(rollback: str, where: str) -> bool:
    """Say whether a rollback's text runs in one transaction: its own header decides. `where` is for errors."""
    return boolean(read_headers(rollback, ROLLBACK_HEADERS, where), "transactional", default=True, where=where)
