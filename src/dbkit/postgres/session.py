"""The session that changes a database: as the owner, under both locks, past a pooler or through one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError
from dbkit.postgres import lease, lock
from dbkit.postgres.connect import SESSION
from dbkit.postgres.script import send

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.connect import Authority, Database

# What a script may have left behind is undone before the mark is written, in the same transaction: what DISCARD ALL forgets
# (it can't be in a transaction itself) but for the plans. A deferred constraint fails here, as this migration's.
FORGET = "RESET ALL; CLOSE ALL; DEALLOCATE ALL; UNLISTEN *; DISCARD TEMP; DISCARD SEQUENCES; SELECT pg_catalog.pg_advisory_unlock_all()"
RESTORE = f"SET CONSTRAINTS ALL IMMEDIATE; RESET SESSION AUTHORIZATION; RESET ROLE; {FORGET}; SET LOCAL ROLE NONE"
# under what the database or the role has for search_path, somebody else's now() could come first
OURS = "SET LOCAL search_path = pg_catalog"
XID = "SELECT pg_catalog.pg_current_xact_id()"
NAME_BYTES = 63  # longer, and the server says with a notice that it cuts
Backend = tuple[int, str | None]  # pid; behind a pooler, whose backend serves us for one transaction, the id of that one
KEY = f"SELECT pg_catalog.pg_try_advisory_lock({lock.SPACE}, {lock.EXECUTE})"


@dataclass(slots=True)
class Session:
    """The connection that executes. `held` is the lease that stands for the session's locks behind a pooler."""

    connection: psycopg.Connection[tuple[Any, ...]]
    owner: str
    lock_timeout: str
    held: lease.Lease | None = None
    _lent: Backend | None = None

    @property
    def pooled(self) -> bool:
        return self.held is not None

    def backend(self) -> Backend | None:
        """Return the backend that executes; None behind a pooler, between transactions. Asks nobody."""
        import psycopg

        if not self.held:
            return self.connection.info.backend_pid, None
        return None if self.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE else self._lent

    def begin(self, what: str = "") -> str | None:
        """Open a transaction as the owner; return its id. Others see in its application_name `what` is being done.

        Behind a pooler nothing is set for longer, and the lease must still be ours.
        """
        from psycopg.sql import SQL, Identifier

        if self.held:
            self._lent = None
            self.connection.execute(f"BEGIN; {self._limit}".encode())
            limits = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
            self.connection.execute(f"{limits}; SET LOCAL client_connection_check_interval = 1000".encode())
            self.held.fence(self.connection)
            self.connection.execute(SQL("SET LOCAL ROLE {}").format(Identifier(self.owner)))
            pid, xid = send(self.connection, "SELECT pg_catalog.pg_backend_pid()"), send(self.connection, XID)
            self._lent = int(pid or 0), xid
            return xid
        return send(self.connection, "; ".join(self.opening(what)))

    @property
    def _limit(self) -> str:
        return f"SET LOCAL lock_timeout = '{self.lock_timeout}'"  # of the manifest, whose form was checked

    def opening(self, what: str) -> list[str]:
        """Return the statements that open a transaction, where no pooler stands between; the last one tells its id."""
        return ["BEGIN", self._limit, *([name_session(what, local=True)] if what else []), XID]

    @property
    def ending(self) -> str:
        """What undoes all that a script did to the session, still in its transaction; after it the session's own role acts.

        The limit for locks holds on, and the second lock, which goes with all others that the script may have taken, is
        taken again.
        """
        ending = f"{RESTORE}; SET LOCAL lock_timeout = '{self.lock_timeout}'"
        return ending if self.pooled else f"{ending}; {KEY}"

    def restore(self) -> None:
        """Send the ending, before marks."""
        self.connection.execute(f"{self.ending}; {OURS}".encode())

    def renew(self) -> None:
        """Forget what a statement outside of a transaction may have left behind."""
        if not self.pooled:
            self.connection.execute(f"{FORGET}; {KEY}".encode())

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Work as the owner in one transaction."""
        import psycopg

        self.begin()
        try:
            yield self.connection
            self.connection.execute("COMMIT")
        except BaseException:
            end(self.connection)
            raise
        assert self.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE  # noqa: S101


def name_session(what: str, *, local: bool = False) -> str:
    """Return the statement that tells other sessions what this one does, for the transaction or until it is reset."""
    shown = f"dbkit/migrate {what.rstrip(',')}".encode()[:NAME_BYTES].decode(errors="ignore").replace("'", "''")
    return f"SET {'LOCAL ' if local else ''}application_name = '{shown}'"


def end(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """End the transaction, whatever state an interrupted statement left the connection in."""
    import psycopg

    try:
        if connection.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
            connection.cancel_safe(timeout=5)
            while connection.pgconn.get_result():
                pass
        if connection.pgconn.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            connection.execute("ROLLBACK")
        connection.execute("RESET ALL")
    except psycopg.Error:
        connection.close()  # the server rolls back what a closed connection left open


@contextmanager
def exclusive_session(
    database: Database,
    watcher: psycopg.Connection[tuple[Any, ...]],
    who: Authority,
    *,
    pooled: bool,
    wait: float,
    waiting: Callable[[str], None],
    notice: Callable[[Any], None],
) -> Iterator[Session]:
    """Hold this database for one run and give the session that executes, as the owner.

    The run lock is the watcher's; the second one is held by the backend that executes, which the server itself ends
    when its client has died. Behind a pooler a lease stands in for both.
    """
    limit = database.target.policy.lock_timeout
    if pooled:
        with lease.leased(database, wait=wait, waiting=waiting) as held, database.connect("migrate") as connection:
            connection.add_notice_handler(notice)
            yield Session(connection, who.owner, limit, held)
        return
    lock.acquire(watcher, lock.RUN, wait=wait, waiting=waiting)
    try:
        session = Session(execute_as(database, who, watcher, wait=wait, waiting=waiting), who.owner, limit)
        session.connection.add_notice_handler(notice)
        try:
            yield session
        finally:
            session.connection.close()
    finally:
        if not watcher.closed:
            lock.release(watcher, lock.RUN)


def execute_as(
    database: Database,
    who: Authority,
    watcher: psycopg.Connection[tuple[Any, ...]],
    *,
    wait: float,
    waiting: Callable[[str], None],
) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect as the owner and take the second lock, while nobody has a lease: none can be taken as long as it is held."""
    connection = database.connect("migrate", role=who.owner, **SESSION)

    def attempt() -> bool | None:
        if not lock.taken(connection, "pg_try_advisory_lock", lock.EXECUTE):
            return None
        if lease.is_held(watcher):
            lock.release(connection, lock.EXECUTE)
            return None
        return True

    try:
        lock.poll(attempt, wait=wait, holder=lambda: lease.holder_of(watcher), waiting=waiting)
    except BaseException:
        connection.close()
        raise
    return connection


def refuse_pooled(*, pooled: bool, what: str, where: str | None) -> None:
    """Raise where a migration needs a session of its own and a pooler stands between."""
    if pooled:
        raise ConfigurationError(
            f"{what} needs a session of its own, and a pooler stands between",
            where=where,
            hint="name the server itself with `migrate_url` in dbkit.toml, or with --url",
        )
