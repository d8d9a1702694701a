"""Undoing migrations, newest first, from the text that was stored when they were applied."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError, DbkitError, InterruptedRunError
from dbkit.migrate.applied import IS_APPLIED, stand_ins
from dbkit.migrate.check import is_transactional
from dbkit.migrate.engine import Engine, Listener, committed_all_the_same, engine, finish, record_end
from dbkit.migrate.steps import Steps
from dbkit.migrate.unit import run_in_transaction
from dbkit.postgres import journal
from dbkit.postgres.connect import Database, authority, open_watcher, refuse_read_only
from dbkit.postgres.roles import alone_with_roles
from dbkit.postgres.session import refuse_pooled
from dbkit.routines.definitions import Touched, record, take_note, touched
from dbkit.routines.obstacles import Obstacles, takes_away
from dbkit.routines.plan import deployed
from dbkit.routines.revive import Revival
from dbkit.routines.shared import shared
from dbkit.source import statements
from dbkit.source.files import load_migrations
from dbkit.source.objections import changes_roles

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.journal import Entry, Run
    from dbkit.source.script import Script


@dataclass(frozen=True, slots=True)
class Undo:
    """A migration to roll back; `applied` is the journal's row of when it went in, `large` the file of a text that it does not hold.

    `ends` are the baselines that stood for it and others: they no longer do.
    """

    id: str
    text: str | None
    applied: int
    ends: tuple[str, ...] = ()
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
    baselines = stand_ins(state)
    applied = [e for e in state.values() if e.kind == "migration" and e.event in IS_APPLIED and e.object not in baselines]
    order = journal.applied_in(connection, database.service)
    applied.sort(key=lambda entry: _row(entry, order), reverse=True)
    chosen = applied[: steps if steps is not None else 1]
    if to is not None:
        names = [entry.object for entry in applied]
        wanted = next((name for name in names if _is(name, to)), None) or _last_squashed(names, to, baselines)
        if wanted is None and to != "0":
            raise ConfigurationError(
                f"{to!r} is not applied, so there is no way back to it", hint=f"applied: {', '.join(names) or 'nothing'}"
            )
        chosen = applied[: names.index(wanted)] if wanted else applied
    undos = []
    for entry in chosen:
        ends = _standing_for(entry.object, baselines)
        baselines = {name: squashed for name, squashed in baselines.items() if name not in ends}
        undos.append(_undo(database, connection, entry, _row(entry, order), tuple(ends)))
    return undos


def _standing_for(object_id: str, baselines: Mapping[str, frozenset[str]]) -> list[str]:
    """Return the baselines that squash a migration, and those that squash these."""
    direct = [name for name, squashed in baselines.items() if object_id in squashed]
    return direct + [name for baseline in direct for name in _standing_for(baseline, baselines)]


def _last_squashed(names: list[str], wanted: str, baselines: Mapping[str, frozenset[str]]) -> str | None:
    """Return the newest of the applied migrations (`names`, newest first) that a baseline given by its name stands for."""
    baseline = next((name for name in baselines if _is(name, wanted)), None)
    return next((name for name in names if baseline in _standing_for(name, baselines)), None)


def _row(entry: Entry, order: dict[str, int]) -> int:
    """Return the journal's row of when the migration went in; a repair since then changes nothing of that."""
    return order.get(entry.object) or order.get((entry.detail or {}).get("renamed from", "")) or entry.id


def _is(object_id: str, wanted: str) -> bool:
    name = object_id.partition("/")[2]
    number = name.partition("_")[0]
    return wanted in {object_id, name, number, number.lstrip("0")}


def _undo(database: Database, connection: psycopg.Connection[tuple[Any, ...]], entry: Entry, applied: int, ends: tuple[str, ...]) -> Undo:
    _, text = journal.stored(connection, entry.object)
    kept = (entry.detail or {}).get("rollback")
    if text is None and kept:
        return Undo(entry.object, None, applied, ends, _large(database, entry.object, kept["hash"]))
    if text is None:
        why = (entry.detail or {}).get("irreversible")
        raise ConfigurationError(
            f"{entry.object} can't be rolled back: "
            + (f"it is irreversible ({why})" if why else "no rollback was stored when it was applied"),
            hint="write a new migration that goes forward to where you want to be",
        )
    return Undo(entry.object, text, applied, ends)


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
            if undos:
                journal.require(watcher, database.target)
                take_note(watcher, database.service, journal.state(watcher, database.service), touched(watcher, database.service))
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
    """The routines around one rollback: those that it took away, and the texts of those that came back."""

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
            parsed = self._parsed()
            with alone_with_roles(work.database.conninfo()) if any(map(changes_roles, parsed)) else nullcontext():
                seconds = self._in_transaction(parsed) if self.undo.is_transactional else self._step_by_step(parsed)
        except DbkitError as exc:
            if record_end(work, self.undo.id, "failed", exc, "down"):
                raise committed_all_the_same(f"{self.undo.id} is rolled back", exc) from exc
            raise
        except KeyboardInterrupt as exc:
            committed = record_end(work, self.undo.id, "interrupted", None, "down")
            raise InterruptedRunError(
                f"interrupted: {self.undo.id} is {'rolled back' if committed else 'still applied'}",
                exit_code=getattr(exc, "exit_code", 130),
                hint="run the rollback again to go on",
            ) from exc
        work.tell("rolled back", self.undo.id, seconds=seconds or 0.0)

    def _parsed(self) -> list[statements.Statement]:
        """Return the statements of the text; of a large one, whose file is read once for them, those that a rollback asks for."""
        if self.undo.large:
            found = statements.in_blocks(self.undo.large.blocks())
            return [statement for statement in found if takes_away(statement) or changes_roles(statement)]
        return statements.parse_known(statements.strip_restrict(self.undo.text or ""))

    def _in_transaction(self, parsed: list[statements.Statement] | None) -> float | None:
        """Run the text and the marks in one transaction; None where the text has been run, for the marks alone."""
        watcher, service = self.work.watcher, self.work.database.service
        state, seen = journal.state(watcher, service), touched(watcher, service)
        revival = self._revival(state)
        if revival:
            revival.refuse_changed(seen, self.undo.id)
        obstacles = Obstacles(watcher, self.work.database.target, deployed(state, "after"))
        way = Way()

        def before() -> None:
            if parsed is not None:
                way.gone[:] = obstacles.clear(self.work.connection, parsed, f"the rollback of {self.undo.id}")

        return self.work.persist(
            f"rollback of {self.undo.id}",
            lambda: run_in_transaction(
                self.work.session,
                name=f"rollback of {self.undo.id}",
                text="" if parsed is None else self.undo.text,
                source=None if parsed is None else self.undo.large,
                before=before,
                after=lambda: self._settle(way, seen, revival),
                mark=lambda: self._mark(way),
            ),
            is_in=lambda: journal.happened(watcher, self.work.run, "rolled back", self.undo.id),
        )

    def _step_by_step(self, parsed: list[statements.Statement]) -> float:
        watcher, service = self.work.watcher, self.work.database.service
        obstacles = Obstacles(watcher, self.work.database.target, deployed(journal.state(watcher, service), "after"))
        seen = touched(watcher, service)
        what = f"the rollback of {self.undo.id}"
        seconds, _ = Steps(
            self.work,
            self.undo.id,
            None,
            parsed,
            "down",
            before=lambda statement: obstacles.clear(self.work.connection, [statement], what),
            after=lambda: list(record(self.work.connection, service, skip=seen.changed_objects).gone),
        ).execute()
        self._in_transaction(None)
        return seconds

    def _revival(self, state: dict[str, Entry]) -> Revival | None:
        """Return the routines of before the release that ends here; None where others of its migrations stay."""
        if not self._returns_to_a_release(state):
            return None
        watcher, target = self.work.watcher, self.work.database.target
        now = journal.texts(watcher, list(deployed(state, "after").values()))
        then = journal.deployed_before(watcher, target.service, self.undo.applied)
        return Revival(target.service, now, then, target.project.root, shared(watcher, target.service))

    def _settle(self, way: Way, seen: Touched, revival: Revival | None) -> None:
        """Record what the script left of the routines, and return them to what they were."""
        connection, service = self.work.connection, self.work.database.service
        left = record(connection, service, skip=seen.changed_objects)
        way.gone[:] = dict.fromkeys((*way.gone, *left.gone))
        if revival:
            way.back.update(revival.execute(connection, self.work.who.owner, way.gone, seen.changed_objects))
            way.gone[:] = revival.gone

    def _mark(self, way: Way) -> None:
        connection, run = self.work.connection, self.work.run
        for name in (self.undo.id, *self.undo.ends):
            journal.mark(connection, run, self.work.database.target.schema, name.partition("/")[2], "rollback")
            journal.append(connection, run, "rolled back", "migration", name)
        for name in way.gone:
            journal.append(connection, run, "dropped", "routine", name)
        for name, text in way.back.items():
            journal.append(connection, run, "deployed", "routine", name, rendered=text, detail={"phase": "after"})

    def _returns_to_a_release(self, state: dict[str, Entry]) -> bool:
        """Say whether no other migration of the same run stays: only then is there a state to return to."""
        own = state[self.undo.id].run
        others = [entry for entry in state.values() if entry.object not in {self.undo.id, *stand_ins(state)}]
        return not any(entry.run == own and entry.kind == "migration" and entry.event in IS_APPLIED for entry in others)
