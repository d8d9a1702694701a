"""One release over all targets of a service: the canaries first, then the others, many at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from dbkit.errors import DbkitError, InterruptedRunError, LockedError, UnreachableError
from dbkit.fleet.glance import Glance, Library, glance
from dbkit.fleet.lanes import Halt, over
from dbkit.fleet.record import record_of, release
from dbkit.migrate.engine import Event
from dbkit.migrate.plan import find, make_plan
from dbkit.migrate.run import migrate
from dbkit.postgres.connect import authority, open_watcher, server_error
from dbkit.project.manifest import ROLE_KINDS

if TYPE_CHECKING:
    from dbkit.postgres.connect import Database
    from dbkit.postgres.journal import Run
    from dbkit.routines.decide import Decision

State = Literal["applied", "up to date", "pending", "failed", "unreachable", "locked", "interrupted", "not reached", "done before"]
DONE = frozenset({"applied", "up to date", "done before"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a target. `migrations` and `routines` went in, or are pending."""

    target: str
    state: State
    migrations: tuple[str, ...] = ()
    routines: tuple[str, ...] = ()
    seconds: float = 0.0
    error: DbkitError | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """How a release goes about it. After `max_failures` failures no more targets are begun."""

    canary: int
    jobs: int
    max_failures: int = 10
    resume: bool = False
    to: str | None = None
    lock_wait: float = 60.0
    by_hand: Decision = "stop"
    orphans: bool = False

    @property
    def looks_suffice(self) -> bool:
        """Say whether a target that looks like one with nothing to do has nothing to do: what was changed by hand does not show."""
        return self.by_hand == "stop" and not self.orphans


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of all targets, in the order in which they are listed. `interrupt` is the exit code of the interrupt, if one came."""

    outcomes: tuple[Outcome, ...]
    interrupt: int | None

    @property
    def exit_code(self) -> int:
        """An interrupt's; else 3 or 4 where all that failed could not be reached, or were locked; else 1 or 0."""
        if self.interrupt is not None:
            return self.interrupt
        kinds = {outcome.state for outcome in self.outcomes if outcome.error}
        if kinds in ({"unreachable"}, {"locked"}):
            return 3 if "unreachable" in kinds else 4
        return 1 if kinds else 0


Told = Callable[[Outcome], None]
Heard = Callable[[str, Event], None]


def migrate_fleet(databases: Sequence[Database], run: Run, options: Options, told: Told, heard: Heard) -> Summary:
    """Bring all targets of a service up to its files.

    The canaries come first, and where one fails no other is touched. `told` hears of each target that is done or failed,
    `heard` what happens on the way there, both from several threads. Raises ConfigurationError where a file is wrong: no
    target has been asked then.
    """
    work = Rollout(options)
    target = databases[0].target
    sources = work.library.sources(databases[0], {kind: target.role(kind) for kind in ROLE_KINDS})
    if options.to is not None:
        find(list(sources.migrations), options.to)
    record = record_of(target, release(sources, options.to))
    before = record.read() if options.resume else set()
    record.begin(before)

    def apply(database: Database) -> Outcome:
        return work.apply(database, run, heard)

    def done(outcome: Outcome) -> None:
        if outcome.state in DONE:
            record.add(outcome.target)
        else:
            work.failures += 1
        told(outcome)

    def stage(part: Sequence[Database]) -> list[Outcome]:
        left = [database for database in part if database.name not in before]
        for database in part:
            if database.name in before:
                told(Outcome(database.name, "done before"))
        found = over(left, apply, done, jobs=options.jobs, halt=work.halt, enough=lambda: work.failures >= options.max_failures)
        by_name = {database.name: outcome for database, outcome in zip(left, found, strict=True)}
        return [by_name.get(d.name, Outcome(d.name, "done before")) or Outcome(d.name, "not reached") for d in part]

    outcomes = stage(databases[: options.canary])
    others = databases[options.canary :]
    if all(outcome.state in DONE for outcome in outcomes):
        outcomes += stage(others)
    else:
        outcomes += [Outcome(database.name, "not reached") for database in others]
    return work.summary(outcomes)


def look_at_fleet(databases: Sequence[Database], options: Options, told: Told) -> Summary:
    """Say what is pending on each target. Writes nothing."""
    work = Rollout(options)
    found = over(databases, work.look, told, jobs=options.jobs, halt=work.halt)
    return work.summary([outcome or Outcome(d.name, "not reached") for d, outcome in zip(databases, found, strict=True)])


@dataclass(slots=True)
class Rollout:
    """What the targets of a run share. `current` is how one looks that is up to date."""

    options: Options
    halt: Halt = field(default_factory=Halt)
    library: Library = field(default_factory=Library)
    current: set[Glance] = field(default_factory=set)
    failures: int = 0

    def summary(self, outcomes: list[Outcome]) -> Summary:
        return Summary(tuple(outcomes), self.halt.exit_code if self.halt.event.is_set() else None)

    def apply(self, database: Database, run: Run, heard: Heard) -> Outcome:
        """Bring one target up to the files. Whatever happens there is its outcome."""
        told: list[Event] = []

        def listen(event: Event) -> None:
            told.append(event)
            heard(database.name, event)

        def work() -> Outcome:
            opened = open_watcher(database, "migrate")
            with opened[0] as watcher:
                who = authority(watcher, database.target)
                seen, _ = glance(database, watcher, who)
                options = self.options
                if seen in self.current and options.looks_suffice:
                    return Outcome(database.name, "up to date")
                sources = self.library.sources(database, who.roles)
                migrate(
                    database,
                    run,
                    listen,
                    to=options.to,
                    lock_wait=options.lock_wait,
                    sources=sources,
                    opened=opened,
                    halt=self.halt.event,
                    by_hand=options.by_hand,
                    orphans=options.orphans,
                )
            if any(event.kind == "finished" for event in told):
                return Outcome(database.name, "applied", routines=_named(told, "deployed"))
            self.current.add(seen)
            return Outcome(database.name, "up to date")

        return replace(self._attempt(database, work), migrations=_named(told, "applied"))

    def look(self, database: Database) -> Outcome:
        """Say what is pending on one target."""

        def work() -> Outcome:
            with database.connect("plan") as connection:
                who = authority(connection, database.target)
                seen, _ = glance(database, connection, who)
                if seen in self.current:
                    return Outcome(database.name, "up to date")
                sources, overwrite = self.library.sources(database, who.roles), self.options.by_hand == "overwrite"
                plan = make_plan(database, connection, to=self.options.to, sources=sources, overwrite=overwrite)
            if plan.is_empty:
                self.current.add(seen)
                return Outcome(database.name, "up to date")
            migrations = tuple(migration.id for migration in (*plan.recognised, *(p.migration for p in plan.migrations)))
            return Outcome(database.name, "pending", migrations, tuple(plan.routines.pending))

        return self._attempt(database, work)

    def _attempt(self, database: Database, work: Callable[[], Outcome]) -> Outcome:
        import psycopg

        started = time.monotonic()
        try:
            outcome = work()
        except KeyboardInterrupt:
            outcome = _ended(database, InterruptedRunError("interrupted", exit_code=self.halt.exit_code))
        except DbkitError as exc:
            outcome = _ended(database, exc)
        except psycopg.Error as exc:
            outcome = _ended(database, server_error(exc, doing="the server refused"))
        return replace(outcome, seconds=time.monotonic() - started)


def _named(events: list[Event], kind: str) -> tuple[str, ...]:
    """Return what the events of a kind are about; what was tried again, once."""
    return tuple(dict.fromkeys(event.object for event in events if event.kind == kind))


def _ended(database: Database, exc: DbkitError) -> Outcome:
    """Describe a target that did not get there; of the error nothing stays that holds on to the run."""
    exc.__traceback__ = exc.__cause__ = exc.__context__ = None
    state: State = "failed"
    match exc:
        case UnreachableError():
            state = "unreachable"
        case LockedError():
            state = "locked"
        case InterruptedRunError():
            state = "interrupted"
        case _:
            pass
    return Outcome(database.name, state, error=exc)
