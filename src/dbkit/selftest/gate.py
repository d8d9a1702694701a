"""A place where a run is held until we let it go on, or kill it: an advisory lock, and triggers that wait for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbkit.postgres.queries import sql

if TYPE_CHECKING:
    import psycopg

KEY = 52
HERE = f"SELECT pg_advisory_xact_lock({KEY});\n"  # the line of a script that waits at the gate
WAITING = (
    f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = {KEY} AND NOT granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@dataclass(slots=True)
class Gate:
    """The lock of one database, held by `keeper`."""

    keeper: psycopg.Connection[tuple[Any, ...]]
    ask: Callable[..., list[tuple[Any, ...]]]

    def close(self) -> None:
        self.keeper.execute(f"SELECT pg_advisory_lock({KEY})".encode())

    def open(self) -> None:
        self.keeper.execute(f"SELECT pg_advisory_unlock({KEY}) FROM pg_locks WHERE objid = {KEY} AND pid = pg_backend_pid()".encode())

    def waiting(self) -> int | None:
        """Return the backend that waits at the gate."""
        rows = self.ask(WAITING)
        return int(rows[0][0]) if rows else None

    def at_journal(self, event: str, statement: int | None = None, *, commit: bool = False) -> None:
        """Hold whoever writes this event; with `commit`, when its transaction commits."""
        self.off_journal()
        number = "IS NULL" if statement is None else f"= {statement}"
        condition = f"NEW.event = '{event}'" + ("" if event == "applied" else f" AND NEW.statement {number}")
        kind = "at_commit" if commit else "at_insert"
        self.keeper.execute(sql(f"gate_{kind}").replace("{condition}", condition).replace("{key}", str(KEY)).encode())

    def off_journal(self) -> None:
        self.keeper.execute(b"DROP TRIGGER IF EXISTS a_gate ON dbkit.journal")
