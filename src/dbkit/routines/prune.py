"""Dropping what routines made whose files are gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from dbkit.postgres import journal
from dbkit.routines.conflict import conflict
from dbkit.routines.definitions import record, touched_now
from dbkit.routines.deploy import become
from dbkit.routines.made import made
from dbkit.routines.order import created
from dbkit.routines.replace import Replacement, known
from dbkit.routines.shared import leave, shared
from dbkit.source.statements import parse

if TYPE_CHECKING:
    from dbkit.postgres.journal import Run
    from dbkit.postgres.session import Session
    from dbkit.routines.definitions import Suspect

ORPHANED = "its file is gone: bring it back, or drop what depends on it first"


def prune(
    session: Session, run: Run, service: str, texts: Mapping[str, str], changed: Sequence[Suspect], accepted: Collection[Suspect] | None
) -> dict[str, list[str]]:
    """Drop the functions, views and triggers of these routines, given with their texts as they were deployed, in one transaction.

    What others of the database have too is left to them. Returns for each what stays all the same, since it may hold rows:
    tables, types, sequences, schemas. Raises DbkitError
    where something else depends on one, or where one was changed by hand and is not `accepted` (None: all are).
    """
    with session.transaction() as connection:
        connection.execute("SET LOCAL ROLE NONE")
        leave(connection, texts, shared(connection, service))
        lost = [suspect for suspect in touched_now(connection, service).of(texts) if accepted is not None and suspect not in accepted]
        if lost:
            raise conflict(lost, ())
        before = known(connection, service)
        keys = [key for key, name in before.routines.items() if name in texts]
        if keys:
            become(connection, session.owner)
            Replacement(connection, before, again=texts).drop(keys, ", ".join(texts), None, ORPHANED)
            connection.execute("SET LOCAL ROLE NONE")
        connection.execute("DELETE FROM dbkit.definition WHERE service = %s AND routine = ANY(%s)", [service, list(texts)])
        record(connection, service, skip=[suspect.object for suspect in changed])
        for name in texts:
            journal.append(connection, run, "dropped", "routine", name)
    return {name: _kept(text) for name, text in texts.items()}


def _kept(text: str) -> list[str]:
    return [name for statement in parse(text) if made(statement) is None for name in created(statement)]
