"""The three-way difference that stops a deploy: as journalled, as it is, as the file has it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from dbkit.errors import DbkitError
from dbkit.routines.made import made

if TYPE_CHECKING:
    from dbkit.routines.definitions import Suspect
    from dbkit.source.repeatables import Routine
    from dbkit.source.statements import Statement

MOST_SHOWN = 3
DECIDE = "--adopt leaves the live one in place until its file changes again; --overwrite puts the file's in"
LOST = "put what is live into its file, or let `dbkit migrate --overwrite` make it again from the file as it is"


def conflict(
    changed: Sequence[Suspect],
    routines: Sequence[Routine],
    by_file: Mapping[str, str] | None = None,
    *,
    doing: str = "",
    hint: str = DECIDE,
) -> DbkitError:
    """Describe what was changed by hand and would be lost.

    `by_file` has the definitions that the files would make, as the server prints them; `doing` says what would lose it.
    """
    files = {routine.id: routine for routine in routines}
    names = [f"{suspect.object} ({suspect.routine})" for suspect in changed]
    first = files.get(changed[0].routine)
    parts = [line for suspect in changed[:MOST_SHOWN] for line in _difference(suspect, files.get(suspect.routine), by_file or {})]
    what = names[0] if len(names) == 1 else "\n" + "\n".join(f"  {name}" for name in names) + "\n "
    return DbkitError(
        f"{doing}changed by hand since it was deployed: {what}",
        where=_where(changed[0], first),
        excerpt="\n".join(parts),
        hint=hint,
    )


def _difference(suspect: Suspect, routine: Routine | None, by_file: Mapping[str, str]) -> Iterator[str]:
    live = suspect.live.definition if suspect.live else ""
    yield f"{suspect.object}"
    yield from _lines(suspect.journalled, live, "journalled", "live" if suspect.live else "live: it is gone")
    if suspect.object in by_file:
        yield from _lines(suspect.journalled, by_file[suspect.object], "journalled", "file")
    elif routine and (statement := _maker(suspect, routine)):
        yield from _lines(suspect.journalled, statement.text, "journalled", "file, as it is written")
    else:
        yield "+++ file: it is not made any more"


def _lines(before: str, after: str, one: str, other: str) -> Iterator[str]:
    if before == after:
        yield f"+++ {other}: as journalled"
        return
    yield from difflib.unified_diff(before.splitlines(), after.splitlines(), one, other, lineterm="", n=1)


def _maker(suspect: Suspect, routine: Routine) -> Statement | None:
    """Return the statement that makes the object, by its name."""
    return next((s for s in routine.statements if (thing := made(s)) and thing.name in suspect.object), None)


def _where(suspect: Suspect, routine: Routine | None) -> str | None:
    if routine is None:
        return None
    statement = _maker(suspect, routine)
    return str(routine.script.origin(statement.line if statement else 1))
