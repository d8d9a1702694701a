"""Undoing migrations, newest first, from the text that was stored when they were applied."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError, DbkitError, InterruptedRunError
from dbkit.migrate.check import is_transactional
from dbkit.migrate.engine import Engine, Listener, committed_all_the_same, engine, finish, record_end, refuse_read_only
from dbkit.migrate.plan import IS_APPLIED
from dbkit.migrate.steps import Steps
from dbkit.migrate.unit import run_in_transaction
from dbkit.postgres import journal
from dbkit.postgres.connect import Database, authority
from dbkit.postgres.script import send
from dbkit.postgres.session import open_watcher, refuse_pooled
from dbkit.routines import clear_the_way, deployed_after, undeploy
from dbkit.source import statements
from dbkit.source.files import load_migrations

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.journal import Entry, Run
    from dbkit.source.script import Script


@dataclass(frozen=True, slots=True)
class Undo:
    """A migration to roll back; `applied` is the journal's row of when it went in, `large` the file of a text that it does not hold."""

    id: str
    text: str | None
    applied: int
    large: Script | None = None

    @property
    def shown(self) -> str:
        """The text, or where a large one is."""
        return f"-- {self.large.length / 1e6:.0f} MB in {self.large.path}" if self.large else self.text or ""

    @property
    def is_transactional(self) -> bool:
        return self.text is None or is_transactional(self.text, self.id)


def plan_rollback(database: Database, connection: psycopg.Connection[tuple[Any, ...]], *, to: str | None, steps: int | None) -> list[Undo]:
    """Return what to undo, newest first: down to `to` (which stays), or the last `steps`.

    Raises ConfigurationError where any stored text is missing, before anything runs.
    """
    journal.refuse_newer(journal.version(connection))
    state = journal.state(connection, database.service)
    applied = [e for e in state.values() if e.kind == "migration" and e.event in IS_APPLIED]
    order = journal.applied_in(connection, database.service)
    applied.sort(key=lambda entry: _row(entry, order), reverse=True)
    chosen = applied[: steps if steps is not None else 1]
    if to is not None:
        names = [entry.object for entry in applied]
        wanted = next((name for name in names if _is(name, to)), None)
        if wanted is None and to != "0":
            raise ConfigurationError(
                f"{to!r} is not applied, so there is no way back to it", hint=f"applied: {', '.join(names) or 'nothing'}"
            )
        chosen = applied[: names.index(wanted)] if wanted else applied
    return [_undo(database, connection, entry, _row(entry, order)) for entry in chosen]


def _row(entry: Entry, order: dict[str, int]) -> int:
    """Return the journal's row of when the migration went in; a repair since then changes nothing of that."""
    return order.get(entry.object) or order.get((entry.detail or {}).get("renamed from", "")) or entry.id


def _is(object_id: str, wanted: str) -> bool:
    name = object_id.partition("/")[2]
    number = name.partition("_")[0]
    return wanted in {object_id, name, number, number.lstrip("0")}


def _undo(database: Database, connection: psycopg.Connection[tuple[Any, ...]], entry: Entry, applied: int) -> Undo:
    _, text = journal.stored(connection, entry.object)
    kept = (entry.detail or {}).get("rollback")
    if text is None and kept:
        return Undo(entry.object, None, applied, _large(database, entry.object, kept["hash"]))
    if text is None:
        why = (entry.detail or {}).get("irreversible")
        raise ConfigurationError(
            f"{entry.object} can't be rolled back: "
            + (f"it is irreversible ({why})" if why else "no rollback was stored when it was applied"),
            hint="write a new migration that goes forward to where you want to be",
        )
    return Undo(entry.object, text, applied)


def _large(database: Database, object_id: str, digest: str) -> Script:
    """Return the file of a rollback that was too large to be stored, if it is the one of then."""
    files = load_migrations(database.target.project, database.service)
    script = next((m.rollback for m in files if m.id == object_id), None)
    if script is None or script.digest != digest:
        raise ConfigurationError(
            f"the rollback of {object_id} was too large to be stored, and its file "
            + ("is not there" if script is None else "is not the one of then any more"),
            where=f"{script.path}:1" if script else None,
            hint=f"bring back the file whose SHA-256 begins with {digest[:12]} from version control",
        )
    return script


def rollback(database: Database, run: Run, listener: Listener, *, to: str | None, steps: int | None, lock_wait: float = 60.0) -> list[Undo]:
    """Undo the migrations, each in a transaction of its own, and bring back the routines of then.

    A failure stops there and leaves the newer ones rolled back.
    """
    watcher, pooled = open_watcher(database, "rollback")
    with watcher:
        who = authority(watcher, database.target)
        refuse_read_only(database, who)
        with engine(database, watcher, who, run, listener, pooled=pooled, lock_wait=lock_wait) as work:
            undos = plan_rollback(database, watcher, to=to, steps=steps)
            for undo in undos:
                if not undo.is_transactional:
                    refuse_pooled(pooled=pooled, what=f"the rollback of {undo.id}", where=None)
            for undo in undos:
                Reversal(work, undo).execute()
            if undos:
                finish(work, {"rolled back": len(undos)})
    return undos


@dataclass(frozen=True, slots=True)
class Way:
    """The routines around one rollback: what was deployed, what stood in its way, what goes with it and what comes back."""

    state: dict[str, Entry]
    deployed: dict[str, str]
    dropped: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    back: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reversal:
    """The rollback of one migration."""

    work: Engine
    undo: Undo

    def execute(self) -> None:
        """Run the stored text, the routines' way back and the marks."""
        work = self.work
        try:
            seconds = self._in_transaction() if self.undo.is_transactional else self._step_by_step()
        except DbkitError as exc:
            if record_end(work.database, work.run, self.undo.id, "failed", exc, "down"):
                raise committed_all_the_same(f"{self.undo.id} is rolled back", exc) from exc
            raise
        except KeyboardInterrupt as exc:
            committed = record_end(work.database, work.run, self.undo.id, "interrupted", None, "down")
            raise InterruptedRunError(
                f"interrupted: {self.undo.id} is {'rolled back' if committed else 'still applied'}",
                exit_code=getattr(exc, "exit_code", 130),
                hint="run the rollback again to go on",
            ) from exc
        work.tell("rolled back", self.undo.id, seconds=seconds or 0.0)

    def _parsed(self) -> list[statements.Statement]:
        return statements.parse_known(statements.strip_restrict(self.undo.text or ""))

    def _in_transaction(self, text: str | None = None) -> float | None:
        """Run the text and the marks in one transaction; an empty one for the marks alone."""
        state = journal.state(self.work.watcher, self.work.database.service)
        deployed = deployed_after(self.work.watcher, state)
        way = Way(state, deployed)

        def before() -> None:
            if text is None:
                large = self.undo.large
                found = statements.in_blocks(large.blocks()) if large else self._parsed()
                way.dropped[:] = clear_the_way(self.work.connection, found, deployed)

        return self.work.persist(
            f"rollback of {self.undo.id}",
            lambda: run_in_transaction(
                self.work.session,
                name=f"rollback of {self.undo.id}",
                text=self.undo.text if text is None else text,
                source=self.undo.large if text is None else None,
                before=before,
                after=lambda: self._bring_back(way),
                mark=lambda: self._mark(way),
            ),
            is_in=lambda: journal.happened(self.work.watcher, self.work.run, "rolled back", self.undo.id),
        )

    def _step_by_step(self) -> float:
        deployed = deployed_after(self.work.watcher, journal.state(self.work.watcher, self.work.database.service))

        def before(statement: statements.Statement) -> list[str]:
            return clear_the_way(self.work.connection, [statement], deployed)

        seconds, _ = Steps(self.work, self.undo.id, None, self._parsed(), "down", before).execute()
        self._in_transaction("")
        return seconds

    def _bring_back(self, way: Way) -> None:
        """Return the routines to what they were before the release that ends here."""
        if not self._returns_to_a_release(way.state):
            way.gone[:] = way.dropped
            return
        connection = self.work.connection
        then = journal.deployed_before(self.work.watcher, self.work.database.service, self.undo.applied)
        way.gone[:] = [name for name in way.deployed if name not in then]
        way.back.update({name: text for name, text in then.items() if name in way.dropped or way.deployed.get(name) != text})
        connection.execute("SELECT set_config('role', %s, true)", [self.work.who.owner])
        for name in reversed(way.gone):
            undeploy(connection, way.deployed[name])
        for text in way.back.values():
            send(connection, text)
        connection.execute("SET LOCAL ROLE NONE")

    def _mark(self, way: Way) -> None:
        connection, run = self.work.connection, self.work.run
        journal.mark(connection, run, self.work.database.target.schema, self.undo.id.partition("/")[2], "rollback")
        journal.append(connection, run, "rolled back", "migration", self.undo.id)
        for name in way.gone:
            journal.append(connection, run, "dropped", "routine", name)
        for name, text in way.back.items():
            journal.append(connection, run, "deployed", "routine", name, rendered=text, detail={"phase": "after"})

    def _returns_to_a_release(self, state: dict[str, Entry]) -> bool:
        """Say whether no other migration of the same run stays: only then is there a state to return to."""
        own = state[self.undo.id].run
        return not any(
            entry.run == own and entry.object != self.undo.id and entry.kind == "migration" and entry.event in IS_APPLIED
            for entry in state.values()
        )
