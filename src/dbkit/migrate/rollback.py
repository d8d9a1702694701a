"""Undoing migrations, newest first, from the text that was stored when they were applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError, DbkitError, InterruptedRunError
from dbkit.migrate.apply import Event, Listener, committed_all_the_same, exclusive, record_end, refuse_read_only, retake
from dbkit.migrate.plan import IS_APPLIED
from dbkit.migrate.unit import run_in_transaction
from dbkit.postgres import journal
from dbkit.postgres.connect import SESSION, Database, authority
from dbkit.postgres.script import send
from dbkit.routines import clear_the_way, deployed_after, undeploy
from dbkit.source import statements

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.journal import Entry, Run


@dataclass(frozen=True, slots=True)
class Undo:
    """A migration to roll back; `applied` is the journal's row of when it went in."""

    id: str
    text: str
    applied: int


def plan_rollback(database: Database, connection: psycopg.Connection[tuple[Any, ...]], *, to: str | None, steps: int | None) -> list[Undo]:
    """Return what to undo, newest first: down to `to` (which stays), or the last `steps`.

    Raises ConfigurationError where any stored text is missing, before anything runs.
    """
    journal.refuse_newer(journal.version(connection))
    state = journal.state(connection, database.service)
    applied = [e for e in state.values() if e.kind == "migration" and e.event in IS_APPLIED]
    applied.sort(key=lambda entry: entry.id, reverse=True)
    chosen = applied[: steps if steps is not None else 1]
    if to is not None:
        names = [entry.object for entry in applied]
        wanted = next((name for name in names if _is(name, to)), None)
        if wanted is None and to != "0":
            raise ConfigurationError(
                f"{to!r} is not applied, so there is no way back to it", hint=f"applied: {', '.join(names) or 'nothing'}"
            )
        chosen = applied[: names.index(wanted)] if wanted else applied
    return [_undo(connection, entry) for entry in chosen]


def _is(object_id: str, wanted: str) -> bool:
    name = object_id.partition("/")[2]
    number = name.partition("_")[0]
    return wanted in {object_id, name, number, number.lstrip("0")}


def _undo(connection: psycopg.Connection[tuple[Any, ...]], entry: Entry) -> Undo:
    _, text = journal.stored(connection, entry.object)
    if text is None:
        why = (entry.detail or {}).get("irreversible")
        raise ConfigurationError(
            f"{entry.object} can't be rolled back: "
            + (f"it is irreversible ({why})" if why else "no rollback was stored when it was applied"),
            hint="write a new migration that goes forward to where you want to be",
        )
    return Undo(entry.object, text, entry.id)


def rollback(database: Database, run: Run, listener: Listener, *, to: str | None, steps: int | None, lock_wait: float = 60.0) -> list[Undo]:
    """Undo the migrations, each in a transaction of its own, and bring back the routines of then.

    A failure stops there and leaves the newer ones rolled back.
    """
    with database.connect("rollback", **SESSION) as watcher:
        who = authority(watcher, database.target)
        refuse_read_only(database, who)
        with exclusive(database, watcher, who, listener, lock_wait) as connection:
            undos = plan_rollback(database, watcher, to=to, steps=steps)
            for undo in undos:
                Reversal(database, watcher, connection, run, listener, who.owner, undo).execute()
    return undos


@dataclass(frozen=True, slots=True)
class Reversal:
    """The rollback of one migration. `reader` sees the journal, `connection` works as the owner."""

    database: Database
    reader: psycopg.Connection[tuple[Any, ...]]
    connection: psycopg.Connection[tuple[Any, ...]]
    run: Run
    listener: Listener
    owner: str
    undo: Undo

    def execute(self) -> None:
        """Run the stored text, the routines' way back and the marks in one transaction."""
        state = journal.state(self.reader, self.database.service)
        deployed = deployed_after(self.reader, state)
        dropped: list[str] = []

        def before() -> None:
            parsed = statements.parse(statements.strip_restrict(self.undo.text))
            dropped.extend(clear_the_way(self.connection, parsed, deployed))

        try:
            seconds = run_in_transaction(
                self.connection,
                name=f"rollback of {self.undo.id}",
                text=self.undo.text,
                source=None,
                lock_timeout=self.database.target.project.manifest.migrate.lock_timeout,
                before=before,
                mark=lambda: self._mark(state, deployed, dropped),
            )
        except DbkitError as exc:
            if record_end(self.database, self.run, self.undo.id, "failed", exc, "down"):
                raise committed_all_the_same(f"{self.undo.id} is rolled back", exc) from exc
            raise
        except KeyboardInterrupt as exc:
            committed = record_end(self.database, self.run, self.undo.id, "interrupted", None, "down")
            raise InterruptedRunError(
                f"interrupted: {self.undo.id} is {'rolled back' if committed else 'still applied'}",
                exit_code=getattr(exc, "exit_code", 130),
                hint="run the rollback again to go on",
            ) from exc
        retake(self.connection)
        self.listener(Event("rolled back", self.undo.id, seconds))

    def _mark(self, state: dict[str, Entry], deployed: dict[str, str], dropped: list[str]) -> None:
        gone, back = list(dropped), dict[str, str]()
        if self._returns_to_a_release(state):
            then = journal.deployed_before(self.reader, self.database.service, self.undo.applied)
            gone = [name for name in deployed if name not in then]
            back = {name: text for name, text in then.items() if name in dropped or deployed.get(name, text) != text}
            self.connection.execute("SELECT set_config('role', %s, true)", [self.owner])
            for name in reversed(gone):
                undeploy(self.connection, deployed[name])
            for text in back.values():
                send(self.connection, text)
            self.connection.execute("SET LOCAL ROLE NONE")
        journal.mark(self.connection, self.run, self.database.target.schema, self.undo.id.partition("/")[2], "rollback")
        journal.append(self.connection, self.run, "rolled back", "migration", self.undo.id)
        for name in gone:
            journal.append(self.connection, self.run, "dropped", "routine", name)
        for name, text in back.items():
            journal.append(self.connection, self.run, "deployed", "routine", name, rendered=text, detail={"phase": "after"})

    def _returns_to_a_release(self, state: dict[str, Entry]) -> bool:
        """Say whether no other migration of the same run stays: only then is there a state to return to."""
        own = state[self.undo.id].run
        return not any(
            entry.run == own and entry.object != self.undo.id and entry.kind == "migration" and entry.event in IS_APPLIED
            for entry in state.values()
        )
