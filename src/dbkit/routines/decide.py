"""What becomes of a definition that was changed by hand: the run stops, adopts it, or puts the file's in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from dbkit.errors import DbkitError
from dbkit.postgres import journal
from dbkit.postgres.session import end
from dbkit.routines.conflict import conflict
from dbkit.routines.definitions import Suspect, Touched, live, write
from dbkit.routines.deploy import IrreplaceableError, Put
from dbkit.routines.plan import deployed
from dbkit.routines.replace import Known, Replacement

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.journal import Entry, Run
    from dbkit.postgres.session import Session
    from dbkit.source.repeatables import Routine

    Connection = psycopg.Connection[tuple[Any, ...]]

Decision = Literal["stop", "adopt", "overwrite"]


def refuse_conflicts(session: Session, changed: Sequence[Suspect], routines: Sequence[Routine]) -> tuple[Suspect, ...]:
    """Return what may be replaced, since the file says the same as what was made by hand; raise for all else."""
    if not changed:
        return ()
    by_file = _tried(session, [routine for routine in routines if routine.id in {suspect.routine for suspect in changed}])
    settled = [suspect for suspect in changed if suspect.live and by_file.get(suspect.object) == suspect.live.definition]
    rest = [suspect for suspect in changed if suspect not in settled]
    if rest:
        raise conflict(rest, routines, by_file)
    return tuple(settled)


def _tried(session: Session, routines: Sequence[Routine]) -> dict[str, str]:
    """Return the definitions that the routines would make, by object: they are sent, read and rolled back.

    Nothing, where that fails: they may need what a migration has yet to make.
    """
    import psycopg

    session.begin()
    try:
        put = Put(session.connection, Replacement(session.connection, Known({}, {}, {})), careful=False)
        sent = put.all(routines, ())
        return {thing.object: thing.definition for thing in live(session.connection, list(put.made_by(sent)))}
    except (DbkitError, psycopg.Error, IrreplaceableError):
        return {}
    finally:
        end(session.connection)


def adopt(
    connection: Connection, run: Run, service: str, state: Mapping[str, Entry], seen: Touched, routines: Sequence[Routine]
) -> list[str]:
    """Journal what was changed by hand as known: it stays until its file changes again. Return the routines.

    As a role that may write the journal. The file as it is now counts as dealt with.
    """
    if not seen.changed:
        return []
    texts = journal.texts(connection, list(deployed(state).values()))
    files = {routine.id: routine for routine in routines}
    adopted = list(dict.fromkeys(suspect.routine for suspect in seen.changed))
    with connection.transaction():
        write(connection, service, [(suspect.routine, suspect.live, True) for suspect in seen.changed if suspect.live])
        gone = [suspect.object for suspect in seen.changed if suspect.live is None]
        connection.execute("DELETE FROM dbkit.definition WHERE object = ANY(%s)", [gone])
        for name in adopted:
            file = files.get(name)
            phase = file.phase if file else (state[name].detail or {}).get("phase", "after")
            text = file.script.text if file else texts.get(name)
            journal.append(connection, run, "deployed", "routine", name, rendered=text, detail={"phase": phase, "adopted": True})
    return adopted
