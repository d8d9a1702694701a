"""What dbkit did in a Redis: a stream beside the data, an entry an event. What is true now is read from all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from dbkit import __version__
from dbkit.redis.scripts import library_name

if TYPE_CHECKING:
    import redis

    from dbkit.project.manifest import Project

State = Literal["applied", "in progress", "interrupted", "failed", "half undone", "pending"]
STATES: Mapping[str, State] = {
    "started": "in progress",
    "interrupted": "interrupted",
    "failed": "failed",
    "applied": "applied",
    "rollback started": "half undone",
    "rollback interrupted": "half undone",
    "rollback failed": "half undone",
    "rolled back": "pending",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One event. `release` is one number for all that a run did; `run` is that run's id, as the journals of PostgreSQL have it."""

    id: str
    fields: Mapping[str, str]

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(int(self.id.partition("-")[0]) / 1000, UTC)

    @property
    def event(self) -> str:
        return self.fields["event"]

    @property
    def release(self) -> int:
        return int(self.fields["release"])


@dataclass(frozen=True, slots=True)
class Status:
    """Where one migration stands: its last event, and the entry with which the work in hand began."""

    state: State
    last: Entry
    began: Entry


def journal_key(project: Project, service: str) -> str:
    """Return the stream's key, which is one of dbkit's and no service's."""
    return f"dbkit:{{{library_name(project, service)}}}:journal"


def read(client: redis.Redis, project: Project, service: str) -> list[Entry]:
    """Return every entry, oldest first."""
    found: Any = client.xrange(journal_key(project, service))
    return [Entry(name, fields) for name, fields in found]


def statuses(entries: list[Entry]) -> dict[str, Status]:
    """Return where each migration stands that anything happened to."""
    found: dict[str, Status] = {}
    for entry in entries:
        if state := STATES.get(entry.event):
            name = entry.fields["migration"]
            began = entry if entry.event in {"started", "rollback started"} or name not in found else found[name].began
            found[name] = Status(state, entry, began)
    return found


def last_release(entries: list[Entry]) -> Entry | None:
    """Return the last entry that something was loaded or applied with; None where there is none, or somebody flushed it."""
    done = [entry for entry in entries if entry.event in {"loaded", "applied", "rolled back"}]
    return done[-1] if done else None


def last_loaded(entries: list[Entry]) -> str | None:
    """Return the checksum of the scripts that were loaded last."""
    return next((entry.fields["checksum"] for entry in reversed(entries) if entry.event == "loaded"), None)


@dataclass(frozen=True, slots=True)
class Pen:
    """Writes the entries of one run."""

    client: redis.Redis
    key: str
    release: int
    who: Mapping[str, str]

    def write(self, event: str, **fields: str) -> str:
        """Add an entry; return its id."""
        entry: dict[Any, Any] = {"event": event, "release": str(self.release), "dbkit_version": __version__, **self.who, **fields}
        return str(self.client.xadd(self.key, entry))
