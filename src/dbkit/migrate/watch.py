"""Who waits behind a statement of ours, and whom it waits for: an application's p99 is worth more than a deploy."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbkit.postgres.queries import sql

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.connect import Database
    from dbkit.postgres.session import Backend

    Connection = psycopg.Connection[tuple[Any, ...]]

PERIOD = 0.1


def _nobody() -> None:
    return None


@dataclass(slots=True)
class Watch:
    """Watches the backend that executes, from a connection of its own that is opened when a statement takes long.

    A statement that holds up more than `max_victims` sessions, or as many for a second each, is cancelled, and so is
    each one once `halt` is set.
    """

    database: Database
    max_victims: int
    halt: threading.Event
    blockers: str = ""
    cancelled: str = ""
    _backend: Callable[[], Backend | None] = field(default=_nobody)
    _victim_seconds: float = 0.0
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def over(self, backend: Callable[[], Backend | None]) -> Iterator[None]:
        """Watch the backend that is told for the time of a statement."""
        with self._guard:
            self._backend, self.blockers, self.cancelled, self._victim_seconds = backend, "", "", 0.0
        try:
            yield
        finally:
            with self._guard:  # no cancel can be sent from here on
                self._backend = _nobody

    def loop(self) -> None:
        """Look every tenth of a second, for as long as a statement takes longer than that."""
        import psycopg

        from dbkit.errors import DbkitError
        from dbkit.postgres.connect import open_watcher

        connection = None
        last: Backend | None = None
        while not self._stop.wait(PERIOD):
            backend = self._backend()
            try:
                if backend and (backend == last or self.halt.is_set()):
                    connection = connection or open_watcher(self.database, "watch")[0]
                    with self._guard:
                        if self._backend() == backend:
                            self._look(connection, *backend)
            except (psycopg.Error, DbkitError):
                # it opens another; until then the statement's own lock_timeout still holds
                if connection:
                    connection.close()
                connection = None
            last = backend
        if connection:
            connection.close()

    def _look(self, connection: Connection, pid: int, xid: str | None) -> None:
        if self.halt.is_set():
            connection.execute(sql("cancel").encode(), {"pid": pid, "xid": xid})
            return  # and again, until the statement has ended
        row = connection.execute(sql("in_the_queue").encode(), {"pid": pid}).fetchone()
        assert row is not None  # noqa: S101 a SELECT without FROM returns a row
        exclusive, victims, blockers = row
        self.blockers = blockers or self.blockers
        if not exclusive:
            return
        self._victim_seconds += victims * PERIOD
        if victims > self.max_victims or self._victim_seconds > max(self.max_victims, 1):
            self.cancelled = f"{victims} session{'' if victims == 1 else 's'} waited behind it"
            connection.execute(sql("cancel").encode(), {"pid": pid, "xid": xid})
            self._backend = _nobody


@contextmanager
def watching(database: Database, max_victims: int, halt: threading.Event) -> Iterator[Watch]:
    """Watch for the time of a run."""
    watch = Watch(database, max_victims, halt)
    thread = threading.Thread(target=watch.loop, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch._stop.set()  # noqa: SLF001
        thread.join()


def pause_before(attempt: int) -> float:
    """Return the seconds to wait before an attempt (from 2): growing, and never the same for two runs."""
    return min(0.5 * float(2 ** (attempt - 2)), 30.0) * random.uniform(0.5, 1.5)  # noqa: S311
