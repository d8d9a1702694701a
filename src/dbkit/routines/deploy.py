"""Which repeatables are new or changed, and putting them in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbkit.postgres import journal
from dbkit.postgres.connect import server_error
from dbkit.postgres.queries import sql
from dbkit.postgres.script import ScriptError, explain, send
from dbkit.postgres.session import OURS
from dbkit.routines.order import deployment_order
from dbkit.source.checksum import text_hash
from dbkit.source.files import Routine

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.journal import Entry, Run
    from dbkit.postgres.session import Session


@dataclass(frozen=True, slots=True)
class RoutinePlan:
    """What a deploy would do; both lists are in the order in which they would be sent."""

    before: tuple[Routine, ...]
    after: tuple[Routine, ...]
    gone: tuple[str, ...]


def plan_routines(routines: list[Routine], state: Mapping[str, Entry], major: int) -> RoutinePlan:
    """Compare the files for this server with what the journal says is deployed."""
    suited = [routine for routine in routines if routine.suits(major)]
    changed = [routine for routine in suited if is_pending(routine, state)]
    if changed:
        changed = [routine for routine in deployment_order(suited) if routine in changed]
    known = {routine.id for routine in suited}
    gone = [entry.object for entry in state.values() if entry.kind == "routine" and entry.event == "deployed" and entry.object not in known]
    return RoutinePlan(
        before=tuple(routine for routine in changed if routine.phase == "before"),
        after=tuple(routine for routine in changed if routine.phase == "after"),
        gone=tuple(gone),
    )


def deployed_after(connection: psycopg.Connection[tuple[Any, ...]], state: Mapping[str, Entry]) -> dict[str, str]:
    """Return the texts of the after-phase routines that are deployed now, by id."""
    wanted = [
        entry.id
        for entry in state.values()
        if entry.kind == "routine" and entry.event == "deployed" and (entry.detail or {}).get("phase", "after") == "after"
    ]
    return journal.texts(connection, wanted)


def is_pending(routine: Routine, state: Mapping[str, Entry]) -> bool:
    """Say whether the routine is not deployed as it is rendered now."""
    entry = state.get(routine.id)
    return entry is None or entry.event != "deployed" or entry.text_hash != text_hash(routine.script.text)


def deploy(
    session: Session,
    run: Run,
    routines: tuple[Routine, ...],
    done: Callable[[Routine], None],
) -> None:
    """Send the routines in one transaction, each with its row in the journal.

    Bodies are not checked while they are created (they may name each other); a body that
    does not compile is found afterwards, before the commit.
    """
    if not routines:
        return
    with session.transaction() as connection:
        connection.execute("SET LOCAL check_function_bodies = off")
        connection.execute("SET LOCAL client_min_messages = warning")  # IF EXISTS finds nothing the first time
        for routine in routines:
            _deploy_one(connection, routine)
            done(routine)
        _check_bodies(connection, routines)
        connection.execute("SET LOCAL ROLE NONE")
        with connection.pipeline():
            connection.execute(OURS)
            for routine in routines:
                journal.append(
                    connection, run, "deployed", "routine", routine.id, rendered=routine.script.text, detail={"phase": routine.phase}
                )


def _deploy_one(connection: psycopg.Connection[tuple[Any, ...]], routine: Routine) -> None:
    try:
        send(connection, routine.script.text)
    except ScriptError as exc:
        raise explain(exc, routine.script.text, routine.script, doing=f"routine {routine.id} failed", hint=_hint) from exc.cause


def _hint(sqlstate: str | None) -> str | None:
    if sqlstate == "42P13":
        return "CREATE OR REPLACE can't change a return type or a parameter's name: drop the old one in a migration"
    return None


def _check_bodies(connection: psycopg.Connection[tuple[Any, ...]], routines: tuple[Routine, ...]) -> None:
    """Let the languages validate every body that this transaction wrote, now that all are there."""
    import psycopg

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
