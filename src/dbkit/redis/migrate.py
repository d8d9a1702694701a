"""A release on Redis: scripts first, then what changes the format of keys; and the way back."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbkit.errors import ConfigurationError, DbkitError, InterruptedRunError
from dbkit.redis import journal
from dbkit.redis.headers import read_header
from dbkit.redis.lease import Lease, lease
from dbkit.redis.migrations import KeyMigration, checksum, load_key_migrations, named, pending
from dbkit.redis.scripts import LuaScript, library_name, library_source, load, load_scripts, loaded
from dbkit.redis.sweep import Part, Sweep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import redis

    from dbkit.redis.connect import Store


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: waiting, loaded, resumed, progress, applied, rolled back."""

    kind: str
    what: str
    text: str = ""
    seconds: float = 0.0


Told = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Release:
    """What a run would do: scripts to load (none where all are there), migrations to apply."""

    scripts: tuple[LuaScript, ...]
    migrations: tuple[KeyMigration, ...]

    @property
    def is_empty(self) -> bool:
        return not self.scripts and not self.migrations


def plan_release(store: Store, client: redis.Redis, to: str | None = None) -> Release:
    """Compare the files with the server. Writes nothing; raises ConfigurationError for whatever stands against a run."""
    project, service = store.target.project, store.service
    scripts = load_scripts(project, service)
    files = load_key_migrations(project, service)
    known = journal.statuses(journal.read(client, project, service))
    is_current = loaded(client, project, service, scripts).is_current
    return Release(() if is_current else tuple(scripts), tuple(pending(store.target, files, known, to)))


def migrate(
    store: Store, client: redis.Redis, who: Mapping[str, str], told: Told, *, to: str | None = None, lock_wait: float = 60.0
) -> Release:
    """Load the scripts, which read the old format and the new, then apply what is pending; return what was done."""
    if (plan := plan_release(store, client, to)).is_empty:
        return plan
    with _work(store, client, who, told, lock_wait) as work:
        plan = plan_release(store, client, to)
        if plan.scripts:
            work.load(plan.scripts)
        for migration in plan.migrations:
            work.walk(Change(migration.name, migration.script, migration.checksum, migration.rollback, migration.irreversible))
    return plan


def heal(store: Store, client: redis.Redis, who: Mapping[str, str], told: Told, lock_wait: float = 60.0) -> None:
    """Load again what the last release loaded, where the server has lost it. Raises DbkitError where the files are others by now."""
    project, service = store.target.project, store.service
    scripts = tuple(load_scripts(project, service))
    if loaded(client, project, service, scripts).is_current:
        return
    if journal.last_loaded(journal.read(client, project, service)) != _digest(store, scripts):
        raise DbkitError(f"the scripts of {service} are not those of the last release", hint=f"dbkit migrate {service} loads them")
    with _work(store, client, who, told, lock_wait) as work:
        work.load(scripts)


def _digest(store: Store, scripts: Sequence[LuaScript]) -> str:
    """Return the hash by which the journal knows what was loaded."""
    return hashlib.sha256(library_source(store.target.project, store.service, scripts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Undo:
    """A migration to roll back, by the text that was stored when it was applied."""

    name: str
    text: str


def plan_rollback(store: Store, client: redis.Redis, *, to: str | None, steps: int | None) -> list[Undo]:
    """Return what to undo, newest first. Raises ConfigurationError where there is no way back, before anything runs."""
    known = journal.statuses(journal.read(client, store.target.project, store.service))
    applied = [name for name, status in known.items() if status.state in {"applied", "half undone"}]
    applied.sort(key=lambda name: _applied_at(known[name]), reverse=True)
    chosen = applied[: steps if steps is not None else 1]
    if to is not None:
        wanted = named(applied, to)
        if wanted is None and to != "0":
            raise ConfigurationError(f"{to!r} is not applied, so there is no way back to it", hint=f"applied: {', '.join(applied)}")
        chosen = applied[: applied.index(wanted)] if wanted else applied
    for name in chosen:
        if why := known[name].last.fields.get("irreversible"):
            raise ConfigurationError(f"there is no way back from {name}: it is irreversible ({why})")
    return [Undo(name, known[name].last.fields["rollback"]) for name in chosen]


def _applied_at(status: journal.Status) -> tuple[int, int]:
    milliseconds, _, number = status.last.fields.get("applied", status.last.id).partition("-")
    return int(milliseconds), int(number)


def rollback(
    store: Store, client: redis.Redis, who: Mapping[str, str], told: Told, *, to: str | None, steps: int | None, lock_wait: float
) -> list[Undo]:
    """Undo migrations, newest first."""
    if not plan_rollback(store, client, to=to, steps=steps):
        return []
    with _work(store, client, who, told, lock_wait) as work:
        undos = plan_rollback(store, client, to=to, steps=steps)
        for undo in undos:
            path = store.target.project.folder(store.service, "migrations") / f"{undo.name}.rollback.lua"
            script = LuaScript(path, read_header(undo.text, path), undo.text)
            work.walk(Change(undo.name, script, checksum(undo.text), None, None, is_rollback=True))
    return undos


@contextmanager
def _work(store: Store, client: redis.Redis, who: Mapping[str, str], told: Told, lock_wait: float) -> Iterator[Work]:
    project, service = store.target.project, store.service
    name = library_name(project, service)
    holder = f"{who['os_user']}@{who['host']}, run {who['run']}"
    with lease(client, name, holder, lock_wait, lambda text: told(Event("waiting", name, text))) as held:
        last = journal.last_release(journal.read(client, project, service))
        pen = journal.Pen(client, journal.journal_key(project, service), (last.release if last else 0) + 1, who)
        yield Work(store, client, held, pen, told)


@dataclass(frozen=True, slots=True)
class Change:
    """A script over its keys, as the journal names it."""

    name: str
    script: LuaScript
    checksum: str
    rollback: LuaScript | None
    irreversible: str | None
    is_rollback: bool = False

    @property
    def stored(self) -> dict[str, str]:
        """What the journal has to keep for the way back."""
        found = {"checksum": self.checksum, "migration": self.name, "keys": ", ".join(key.pattern for key in self.script.header.each)}
        found |= {"rollback": self.rollback.body} if self.rollback else {}
        return found | ({"irreversible": self.irreversible} if self.irreversible else {})

    def event(self, what: str) -> str:
        """Name an event: started, interrupted, failed; a rollback's are its own."""
        return f"rollback {what}" if self.is_rollback else what


@dataclass(frozen=True, slots=True)
class Work:
    """A run that holds the lease."""

    store: Store
    client: redis.Redis
    lease: Lease
    pen: journal.Pen
    told: Told

    def load(self, scripts: tuple[LuaScript, ...]) -> None:
        """Load all scripts on every primary."""
        project, service, started = self.store.target.project, self.store.service, time.monotonic()
        load(self.client, project, service, scripts)
        self.pen.write("loaded", scripts=str(len(scripts)), checksum=_digest(self.store, scripts))
        self.told(Event("loaded", str(len(scripts)), "", time.monotonic() - started))

    def walk(self, change: Change) -> None:
        """Run one change over its keys to the end, from where an earlier run left it."""
        started = time.monotonic()
        stored, kept = self._begin(change)

        def told(found: int) -> None:
            self.told(Event("progress", change.name, f"{found} keys"))

        sweep = Sweep(self.client, change.script, (), self.lease.hold, told, kept)
        try:
            end = sweep.run()
        except KeyboardInterrupt as exc:
            self.pen.write(change.event("interrupted"), **stored)
            raise InterruptedRunError(
                f"interrupted: {change.name} is half done",
                exit_code=int(getattr(exc, "exit_code", 130)),
                hint="run it again: it goes on there",
            ) from exc
        except DbkitError as exc:
            if type(exc) is DbkitError:
                self.pen.write(change.event("failed"), **stored, error=exc.message)
            raise
        self.lease.hold()
        counts = {"scanned": str(end.found), "changed": str(end.sums.get("changed", 0))}
        self.pen.write("rolled back" if change.is_rollback else "applied", **stored, **counts)
        self.lease.forget()
        self.told(Event("rolled back" if change.is_rollback else "applied", change.name, _said(end), time.monotonic() - started))

    def _begin(self, change: Change) -> tuple[dict[str, str], dict[str, str]]:
        """Return what the journal is to say of the change, and the cursors of an earlier run that began the same text."""
        project, service = self.store.target.project, self.store.service
        known = journal.statuses(journal.read(self.client, project, service)).get(change.name)
        stored = change.stored
        if change.is_rollback and known:
            before = known.last.fields
            stored |= {"rollback": before["rollback"], "applied": before.get("applied", known.last.id)}
        progress = self.lease.progress()
        began = known and known.state not in {"applied", "pending"} and known.began
        if began and progress.get("work") == began.id and began.fields["checksum"] == change.checksum:
            self.told(Event("resumed", change.name, "where an earlier run ended"))
            return stored, progress
        self.lease.forget()
        self.lease.hold({"work": self.pen.write(change.event("started"), **stored)})
        return stored, {}


def _said(end: Part) -> str:
    return f"{end.found} keys, {end.sums.get('changed', 0)} changed"
