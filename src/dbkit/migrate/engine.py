"""What every change of a database needs: both locks, the journal, and persistence against what passes by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from dbkit.errors import DbkitError
from dbkit.migrate.watch import Watch, pause_before, watching
from dbkit.postgres import catalog, citus, journal, lock
from dbkit.postgres.connect import authority
from dbkit.postgres.session import OURS, Session, exclusive_session, execute_as

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.connect import Authority, Database
    from dbkit.postgres.journal import Run

T = TypeVar("T")

# a lock that did not come, a deadlock, a serialization failure: all pass by themselves
PASSING = frozenset({"55P03", "40P01", "40001"})
CANCELLED = "57014"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a person who watches the run wants to know."""

    kind: Literal[
        "waiting",
        "applied",
        "rolled back",
        "deployed",
        "in the way",
        "adopted",
        "pruned",
        "notice",
        "retrying",
        "resumed",
        "settled",
        "progress",
        "finished",
        "recognised",
    ]
    object: str
    seconds: float = 0.0
    text: str = ""


Listener = Callable[[Event], None]


@dataclass(slots=True)
class Engine:
    """A run under both locks. `watcher` sees the journal as the migrator, `session` works as the owner."""

    database: Database
    who: Authority
    watcher: psycopg.Connection[tuple[Any, ...]]
    session: Session
    run: Run
    listener: Listener
    watch: Watch

    @property
    def connection(self) -> psycopg.Connection[tuple[Any, ...]]:
        return self.session.connection

    def keep_lock(self) -> None:
        """Raise where the connection that holds the run lock was ended; asks the socket, not the server."""
        import select

        import psycopg

        try:
            while select.select([self.watcher.fileno()], [], [], 0)[0]:
                self.watcher.pgconn.consume_input()
        except psycopg.OperationalError as exc:
            self.watcher.close()
            raise DbkitError(
                "the connection that holds the run lock was ended", hint="run it again: it goes on where this run stopped"
            ) from exc

    def tell(self, kind: Any, object_id: str, text: str = "", seconds: float = 0.0) -> None:
        self.listener(Event(kind, object_id, seconds, text))

    def persist(self, what: str, work: Callable[[], T], *, is_in: Callable[[], bool] = lambda: False) -> T | None:
        """Do the work; again, where the failure is one that passes by itself, `retries` times at most.

        After a lost connection or a cancel it asks `is_in` whether the work got through all the same, and then returns
        None. Raises the last error, with who was in the way; KeyboardInterrupt once the run is to halt.
        """
        attempt, retries, halt = 1, self.database.target.policy.retries, self.watch.halt
        while True:
            if halt.is_set():
                raise KeyboardInterrupt
            try:
                with self.watch.over(self.session.backend):
                    return work()
            except DbkitError as exc:
                if halt.is_set() and exc.sqlstate == CANCELLED:
                    raise KeyboardInterrupt from exc
                lost = self.connection.closed
                if not (lost or self.watch.cancelled or exc.sqlstate in PASSING) or self.watcher.closed:
                    raise
                if lost:
                    self._reconnect(exc)
                if (lost or self.watch.cancelled) and is_in():
                    return None
                if attempt > retries:
                    raise self._given_up(exc, attempt) from exc
                attempt += 1
                pause = pause_before(attempt)
                reason = self.watch.cancelled or exc.message.partition("\n")[0]
                blocked = f"; in the way: {self.watch.blockers}" if self.watch.blockers else ""
                self.tell("retrying", what, f"{reason}{blocked}: attempt {attempt} of {retries + 1} in {pause:.1f} s")
                halt.wait(pause)

    def _reconnect(self, cause: DbkitError) -> None:
        """Open the executing session again, if this is still a primary and the run lock still ours."""
        import psycopg

        try:
            if self.session.held:
                self.session.connection = self.database.connect("migrate")
            else:
                self.session.connection = execute_as(self.database, self.who, self.watcher, wait=10, waiting=lambda _holder: None)
        except psycopg.Error as gone:
            raise DbkitError(
                f"{cause.message}\n  both connections of the run are gone",
                where=cause.where,
                sqlstate=cause.sqlstate,
                hint="is the server up? run it again: it finds out what got through, and goes on from there",
            ) from gone
        if authority(self.session.connection, self.database.target).in_recovery:
            raise DbkitError(
                f"{cause.message}\n  the server is a standby now", sqlstate=cause.sqlstate, hint="run it again against the new primary"
            ) from cause

    def _given_up(self, exc: DbkitError, attempts: int) -> DbkitError:
        reason = f"cancelled: {self.watch.cancelled}" if self.watch.cancelled else exc.message
        blocked = f"\n  in the way: {self.watch.blockers}" if self.watch.blockers else ""
        hint = "end what is in the way, or run it at a quieter hour; `retries`, `lock_timeout` and `max_victims` are under [migrate]"
        return DbkitError(
            f"{reason}\n  given up after {attempts} attempt{'' if attempts == 1 else 's'}{blocked}",
            where=exc.where,
            excerpt=exc.excerpt,
            sqlstate=exc.sqlstate,
            hint=hint,
        )


@contextmanager
def engine(
    database: Database,
    watcher: psycopg.Connection[tuple[Any, ...]],
    who: Authority,
    run: Run,
    listener: Listener,
    *,
    pooled: bool,
    lock_wait: float,
    halt: threading.Event | None = None,
) -> Iterator[Engine]:
    """Take both locks (or the lease) for one run. Where it is not the main thread's, `halt` interrupts it, as Ctrl-C would."""
    halt, told = halt or threading.Event(), False
    if run.root:
        journal.git_commit(run.root)  # before a transaction begins: git may be slow

    def waiting(holder: str) -> None:
        nonlocal told
        if halt.is_set():
            raise KeyboardInterrupt
        if not told:
            listener(Event("waiting", database.service, text=holder))
            told = True

    def notice(diag: Any) -> None:
        listener(Event("notice", database.service, text=f"{diag.severity}: {diag.message_primary}"))

    with (
        exclusive_session(database, watcher, who, pooled=pooled, wait=lock_wait, waiting=waiting, notice=notice) as session,
        watching(database, database.target.policy.max_victims, halt) as watch,
    ):
        yield Engine(database, who, watcher, session, run, listener, watch)


def prepare(work: Engine) -> None:
    """Make what is missing: the service's schema and yoyo's tables, the owner's; the journal, the session's."""
    from psycopg.sql import SQL, Identifier

    schema, who = work.database.target.schema, work.who
    row = work.watcher.execute(
        "SELECT to_regnamespace(%s) IS NOT NULL, to_regclass(%s) IS NOT NULL", [f'"{schema}"', f'"{schema}"._yoyo_version']
    ).fetchone()
    has_schema, has_yoyo = row or (False, False)
    if not (has_schema and has_yoyo):
        with work.session.transaction() as connection:
            connection.execute(OURS)
            if not has_schema:
                if work.database.target.scale == "citus":
                    citus.spread(connection)
                people = SQL(", ").join(Identifier(who.roles[kind]) for kind in ("app", "readonly", "ops"))
                connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))
                connection.execute(SQL("GRANT USAGE ON SCHEMA {} TO {}").format(Identifier(schema), people))
            journal.make_yoyo_tables(connection, schema)
    journal.require(work.watcher, work.database.target)


def finish(work: Engine, counts: dict[str, int]) -> None:
    """Journal the end of a run with the catalog's fingerprint, and tell the journal's head."""
    service = work.database.service
    with work.watcher.transaction():
        journal.append(work.watcher, work.run, "finished", "run", f"{service}/run", detail=counts, fingerprint=_fingerprint(work))
    work.tell("finished", f"{service}/run", journal.head(work.watcher))


def _fingerprint(work: Engine) -> str | None:
    """Return the catalog's fingerprint, or nothing where somebody holds a table that a view reads for longer than lock_timeout."""
    import psycopg

    try:
        with work.watcher.transaction():
            work.watcher.execute(f"SET LOCAL lock_timeout = '{work.session.lock_timeout}'".encode())
            schemas = catalog.schemas_of(work.watcher, work.database.target.schema, work.who.owner)
            return catalog.fingerprint(work.watcher, schemas)
    except psycopg.errors.LockNotAvailable:
        return None


def record_end(work: Engine, object_id: str, event: str, exc: DbkitError | None, direction: Literal["up", "down"] = "up") -> bool:
    """Write how a migration ended, on a connection of its own: the first may be gone.

    Returns True, and writes nothing, where its mark is there: the end came when the server had committed already. A backend
    that nobody hears from may be committing still, and nothing is written before it has given its key back.
    """
    import psycopg

    run = work.run
    detail: dict[str, Any] = {"direction": direction}
    if exc:
        detail |= {"message": exc.message, "sqlstate": exc.sqlstate, "where": exc.where}
    try:
        with work.database.connect("migrate") as connection, connection.transaction():
            if work.connection.closed and not lock.taken(connection, "pg_try_advisory_xact_lock", lock.EXECUTE):
                return False
            if journal.happened(connection, run, "applied" if direction == "up" else "rolled back", object_id):
                return True
            journal.append(connection, run, event, "migration", object_id, detail=detail)
    except (DbkitError, psycopg.Error):
        pass  # the server is gone, or a standby: the transaction is rolled back, and the journal says nothing of it
    return False


def committed_all_the_same(what: str, exc: DbkitError) -> DbkitError:
    """Describe an error that came after the server had committed."""
    return DbkitError(
        f"{what}, but the connection did not outlive its commit: {exc.message}", sqlstate=exc.sqlstate, hint="run it again to go on"
    )
