"""Which repeatables are new or changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbkit.routines.definitions import Touched
from dbkit.source.checksum import text_hash

if TYPE_CHECKING:
    from dbkit.postgres.journal import Entry
    from dbkit.source.repeatables import Routine


@dataclass(frozen=True, slots=True)
class RoutinePlan:
    """What a deploy would do; `before` and `after` are in the order in which they would be sent.

    `gone` are deployed and have no file; `touched` is what somebody else changed.
    """

    before: tuple[Routine, ...]
    after: tuple[Routine, ...]
    gone: tuple[str, ...]
    touched: Touched

    @property
    def pending(self) -> tuple[str, ...]:
        return tuple(routine.id for routine in (*self.before, *self.after))


def plan_routines(
    routines: Sequence[Routine], state: Mapping[str, Entry], major: int, touched: Touched, *, schema: str, overwritten: Collection[str] = ()
) -> RoutinePlan:
    """Compare the files for this server with what the journal says is deployed; `overwritten` are due whatever it says."""
    suited = [routine for routine in routines if routine.suits(major)]
    due = {routine.id for routine in suited if is_pending(routine, state) or routine.id in overwritten}
    changed = _in_order(due, suited, schema) if due else []
    ids = {routine.id for routine in routines}
    return RoutinePlan(
        before=tuple(routine for routine in changed if routine.phase == "before"),
        after=tuple(routine for routine in changed if routine.phase == "after"),
        gone=tuple(name for name in deployed(state) if name not in ids),
        touched=touched,
    )


def _in_order(due: Collection[str], suited: list[Routine], schema: str) -> list[Routine]:
    """Return those that are due as they would be sent; refuse what can't be of the before phase."""
    from dbkit.routines.before import refuse_tables
    from dbkit.routines.order import deployment_order

    changed = [routine for routine in deployment_order(suited) if routine.id in due]
    refuse_tables(tuple(routine for routine in changed if routine.phase == "before"), suited, schema)
    return changed


def deployed(state: Mapping[str, Entry], phase: str | None = None) -> dict[str, int]:
    """Return the routines that are deployed now, of one phase or of both, and the row of the journal that has each one's text."""
    return {
        entry.object: entry.id
        for entry in state.values()
        if entry.kind == "routine" and entry.event == "deployed" and phase in {None, (entry.detail or {}).get("phase", "after")}
    }


def is_pending(routine: Routine, state: Mapping[str, Entry]) -> bool:
    """Say whether the routine is not deployed as it is rendered now."""
    entry = state.get(routine.id)
    return entry is None or entry.event != "deployed" or entry.text_hash != text_hash(routine.script.text)
