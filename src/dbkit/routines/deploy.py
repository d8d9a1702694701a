"""Putting repeatables in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbkit.postgres import journal
from dbkit.postgres.connect import server_error
from dbkit.postgres.queries import sql
from dbkit.postgres.script import ScriptError, explain, send
from dbkit.postgres.session import OURS
from dbkit.routines.before import refuse_stored
from dbkit.routines.conflict import conflict
from dbkit.routines.definitions import Suspect, record, touched_now
from dbkit.routines.made import Key, find, made
from dbkit.routines.order import deployment_order
from dbkit.routines.replace import IRREPLACEABLE, Replacement, known
from dbkit.source.repeatables import Routine

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.journal import Run
    from dbkit.postgres.session import Session

    Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Deployed:
    """The routines that were put in, and those that had to be dropped for it and wait for the next deploy."""

    sent: tuple[str, ...]
    waiting: tuple[str, ...]


class IrreplaceableError(Exception):
    """An object can't be replaced in place: the transaction begins again, statement by statement."""


@dataclass(frozen=True, slots=True)
class Deploy:
    """One transaction that puts routines in, each with its row in the journal.

    `suited` are all routines of the service for this server. `changed` was changed by hand before the run; what is
    `accepted` of it (None: all) may be replaced.
    """

    session: Session
    run: Run
    service: str
    suited: Sequence[Routine]
    changed: Collection[Suspect]
    accepted: Collection[Suspect] | None

    def execute(self, routines: Sequence[Routine]) -> Deployed:
        """Put them in, and what has to be made again for it.

        Bodies are not checked while they are created (they may name each other); a body that does not compile is found
        afterwards, before the commit. Raises DbkitError, and nothing of it is in.
        """
        try:
            return self._transaction(routines, careful=False)
        except IrreplaceableError:
            return self._transaction(routines, careful=True)

    def _transaction(self, routines: Sequence[Routine], *, careful: bool) -> Deployed:
        with self.session.transaction() as connection:
            connection.execute("SET LOCAL ROLE NONE")
            spared = self._spared(connection, routines)
            before = known(connection, self.service)
            become(connection, self.session.owner)
            due = {routine.id for routine in routines}
            again = due | {routine.id for routine in self.suited if routine.phase == "after"}
            put = Put(connection, Replacement(connection, before, due, again, spared), careful=careful)
            sent = put.all(routines, self.suited)
            made_by = put.made_by(sent)
            connection.execute("SET LOCAL ROLE NONE")
            names = [routine.id for routine in sent]
            left = record(
                connection, self.service, made_by=made_by, skip=[item.object for item in self.changed if item.routine not in names]
            )
            refuse_stored(connection, left.changed, made_by, [routine for routine in sent if routine.phase == "before"])
            forget_leftovers(connection, names)
            waiting = [name for name in dict.fromkeys((*put.dropped, *left.gone)) if name not in names]
            with connection.pipeline():
                connection.execute(OURS)
                for routine in sent:
                    detail = {"phase": routine.phase}
                    journal.append(connection, self.run, "deployed", "routine", routine.id, rendered=routine.script.text, detail=detail)
                for name in waiting:
                    journal.append(connection, self.run, "dropped", "routine", name)
        return Deployed(tuple(names), tuple(waiting))

    def _spared(self, connection: Connection, routines: Sequence[Routine]) -> list[Suspect]:
        """Compare once more, in the transaction that replaces them; return what others must not drop either."""
        if self.accepted is None:
            return []
        due = {routine.id for routine in routines}
        seen = touched_now(connection, self.service)
        changed = [suspect for suspect in seen.changed if suspect not in self.accepted]
        if lost := [suspect for suspect in changed if suspect.routine in due]:
            raise conflict(lost, routines)
        return [suspect for suspect in (*changed, *seen.adopted) if suspect.routine not in due]


def become(connection: Connection, owner: str) -> None:
    """Work as the owner until the transaction ends."""
    connection.execute("SELECT set_config('role', %s, true)", [owner])


def forget_leftovers(connection: Connection, routines: Sequence[str]) -> None:
    """Let go of the records of what these routines made once, and is no more."""
    connection.execute("DELETE FROM dbkit.definition WHERE routine = ANY(%s) AND objid IS NULL", [list(routines)])


class Put:
    """Sending routines as the owner, within a transaction."""

    def __init__(self, connection: Connection, replacement: Replacement, *, careful: bool) -> None:
        self.connection = connection
        self.replacement = replacement
        self.known = replacement.known
        self.careful = careful

    @property
    def dropped(self) -> Collection[str]:
        """Return the routines of which something was dropped and is not made again."""
        return self.replacement.dropped

    def all(self, routines: Sequence[Routine], suited: Sequence[Routine]) -> list[Routine]:
        """Send them, and those of the after phase that had to be dropped for it; check their bodies. Return what was sent."""
        connection = self.connection
        connection.execute("SET LOCAL check_function_bodies = off")
        connection.execute("SET LOCAL client_min_messages = warning")  # IF EXISTS finds nothing the first time
        leftovers = self._leftovers(routines)
        phases = {routine.phase for routine in routines}
        sent: dict[str, Routine] = {}
        due = list(routines)
        while due:
            for routine in due:
                self._one(routine, leftovers.pop(routine.id, []))
                sent[routine.id] = routine
            due = [routine for routine in suited if routine.id in self.dropped and routine.phase in phases]
            due = [routine for routine in deployment_order(list(suited)) if routine in due] if due else []
        self._check_bodies(list(sent.values()))
        return list(sent.values())

    def made_by(self, sent: Sequence[Routine]) -> dict[Key, str]:
        """Return what the routines made and where it is."""
        pairs = [(routine.id, thing) for routine in sent for statement in routine.statements if (thing := made(statement))]
        keys = find(self.connection, [thing for _, thing in pairs])
        return {key: routine for key, (routine, _) in zip(keys, pairs, strict=True) if key}

    def _leftovers(self, routines: Sequence[Routine]) -> dict[str, list[Key]]:
        """Return by routine what it made and makes no more."""
        names = {routine.id for routine in routines}
        old = {key: name for key, name in self.known.routines.items() if name in names}
        if not old:
            return {}
        still = self.made_by(routines)
        found: dict[str, list[Key]] = {}
        for key, name in old.items():
            if key not in still:
                found.setdefault(name, []).append(key)
        return found

    def _one(self, routine: Routine, leftovers: Sequence[Key]) -> None:
        due_again = any(name == routine.id for name, _ in self.known.due_again.values()) or routine.id in self.dropped
        self.replacement.dropped.pop(routine.id, None)
        if self.careful or leftovers or due_again:
            self.replacement.put(routine, leftovers)
            return
        try:
            send(self.connection, routine.script.text)
        except ScriptError as exc:
            if exc.cause.sqlstate in IRREPLACEABLE:
                raise IrreplaceableError from exc
            raise explain(exc, routine.script.text, routine.script, doing=f"routine {routine.id} failed") from exc.cause

    def _check_bodies(self, routines: Sequence[Routine]) -> None:
        """Let the languages validate every body that this transaction wrote, now that all are there."""
        import psycopg

        connection = self.connection
        connection.execute("SET LOCAL check_function_bodies = on")
        for oid, name, validator in connection.execute(sql("written_bodies").encode()).fetchall():
            try:
                connection.execute(f"SELECT {validator}(%s)".encode(), [oid])
            except psycopg.Error as exc:
                bare = name.partition("(")[0]
                culprit = next((r for r in routines if bare in r.script.text), routines[0])
                raise server_error(
                    exc, doing=f"function {name} does not compile", where=f"{culprit.script.path}:1", excerpt=exc.diag.internal_query
                ) from exc
