"""Returning the routines to what they were before a release: texts from the journal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbkit.routines.conflict import LOST, conflict
from dbkit.routines.definitions import Touched, record
from dbkit.routines.deploy import Put, become, forget_leftovers
from dbkit.routines.order import deployment_order
from dbkit.routines.replace import REPLACED, Replacement, known
from dbkit.routines.shared import leave
from dbkit.routines.stored import stored_routine

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Revival:
    """The way back of a service's after-phase routines.

    `now` has the texts of those that are deployed, `then` the phases and texts of all that were; `root` is the project's folder.
    What is `shared` with others of the database stays as it is, theirs alone where it did not exist then.
    """

    service: str
    now: Mapping[str, str]
    then: Mapping[str, tuple[str, str]]
    root: Path
    shared: Mapping[str, str]

    @property
    def gone(self) -> list[str]:
        """Return those that did not exist then."""
        return [name for name in self.now if name not in self.then]

    def back(self, dropped: Collection[str] = ()) -> dict[str, str]:
        """Return the texts of those that were another then, or were `dropped` on the way."""
        after = {name: text for name, (phase, text) in self.then.items() if phase == "after"}
        return {name: text for name, text in after.items() if name in dropped or (name not in self.shared and self.now.get(name) != text)}

    def refuse_changed(self, seen: Touched, what: str) -> None:
        """Raise where one of them was changed by hand, or adopted so: it would be lost."""
        names = {*self.gone, *self.back()} - {*self.shared}
        lost = [suspect for suspect in (*seen.changed, *seen.adopted) if suspect.routine in names]
        if lost:
            raise conflict(lost, (), doing=f"in the way of the rollback of {what}, and ", hint=LOST)

    def execute(self, connection: Connection, owner: str, dropped: Collection[str], skip: Sequence[str]) -> dict[str, str]:
        """Do it, in the rollback's transaction, whose end is recorded already; return the texts that came back.

        `dropped` stood in the way, `skip` are objects that were changed by hand.
        """
        back = self.back(dropped)
        leave(connection, self.gone, self.shared)
        before = known(connection, self.service)
        then = [stored_routine(name, text, phase, self.root, self.then) for name, (phase, text) in self.then.items()]
        due = [routine for routine in deployment_order(then) if routine.id in back]
        leaving = [key for key, name in before.routines.items() if name in self.gone]
        become(connection, owner)
        put = Put(connection, Replacement(connection, before, back, [*self.then, *self.gone]), careful=True)
        if leaving:
            put.replacement.drop(leaving, ", ".join(self.gone), None, REPLACED)
        sent = put.all(due, then)
        made_by = put.made_by(sent)
        connection.execute("SET LOCAL ROLE NONE")
        record(connection, self.service, made_by=made_by, skip=skip)
        forget_leftovers(connection, [*self.gone, *(routine.id for routine in sent)])
        return {routine.id: routine.script.text for routine in sent}
