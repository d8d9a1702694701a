"""Applying a plan: before-phase routines, migrations, the other routines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dbkit.errors import ConfigurationError, DbkitError, InterruptedRunError
from dbkit.migrate.plan import Plan, PlannedMigration, make_plan
from dbkit.migrate.unit import run_in_transaction
from dbkit.postgres import journal, lock
from dbkit.postgres.connect import SESSION, Database
from dbkit.routines import clear_the_way, deploy, deployed_after
from dbkit.source.checksum import token_hash

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.connect import Authority
    from dbkit.postgres.journal import Run
    from dbkit.source.files import Routine


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a person who watches the run wants to know."""

    kind: Literal["waiting", "applied", "rolled back", "deployed", "in the way", "notice"]
    object: str
    seconds: float = 0.0
    text: str = ""


Listener = Callable[[Event], None]


def migrate(database: Database, run: Run, listener: Listener, *, to: str | None = None, lock_wait: float = 60.0) -> Plan:
    """Bring one service's database up to its files; return what was done.

    A run with nothing to do takes no lock and writes nothing.
    """
    with database.connect("migrate", **SESSION) as watcher:
        plan = make_plan(database, watcher, to=to)
        refuse_read_only(database, plan.authority)
        if plan.is_empty:
            return plan
        with exclusive(database, watcher, plan.authority, listener, lock_wait) as connection:
            prepare(connection, watcher, database, plan.authority)
            plan = make_plan(database, watcher, to=to, sources=plan.sources)
            deployed = deployed_after(watcher, plan.state)
            Execution(database, connection, run, listener, deployed).execute(plan, to)
    return plan


def refuse_read_only(database: Database, who: Authority) -> None:
    """Raise where nothing can be written."""
    if who.in_recovery:
        raise DbkitError(f"{database.service}: this server is a standby, where nothing can be written", hint="name the primary")
    if who.read_only:
        raise DbkitError(
            f"{database.service}: default_transaction_read_only is on for this role or database", hint="nothing can be written there"
        )


@contextmanager
def exclusive(
    database: Database,
    watcher: psycopg.Connection[tuple[Any, ...]],
    who: Authority,
    listener: Listener,
    wait: float,
) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Hold both locks and give the connection that executes, as the owner.

    The run lock is the watcher's; the second one is held by the backend that executes, which
    the server itself ends when its client has died.
    """

    def told(holder: str) -> None:
        listener(Event("waiting", database.service, text=holder))

    lock.acquire(watcher, lock.RUN, wait=wait, waiting=told)
    try:
        with database.connect("migrate", role=who.owner, **SESSION) as connection:
            connection.add_notice_handler(lambda diag: listener(Event("notice", database.service, text=_notice(diag))))
            lock.acquire(connection, lock.EXECUTE, wait=wait, waiting=told)
            yield connection
    finally:
        if not watcher.closed:
            lock.release(watcher, lock.RUN)


def _notice(diag: Any) -> str:
    return f"{diag.severity}: {diag.message_primary}"


def prepare(
    connection: psycopg.Connection[tuple[Any, ...]],
    watcher: psycopg.Connection[tuple[Any, ...]],
    database: Database,
    who: Authority,
) -> None:
    """Make what is missing: the service's schema and yoyo's tables, the owner's; the journal, the session's."""
    from psycopg.sql import SQL, Identifier

    schema = database.target.schema
    row = connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", [f'"{schema}"']).fetchone()
    if not row or not row[0]:
        people = SQL(", ").join(Identifier(who.roles[kind]) for kind in ("app", "readonly", "ops"))
        with connection.transaction():
            connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))
            connection.execute(SQL("GRANT USAGE ON SCHEMA {} TO {}").format(Identifier(schema), people))
    journal.require_yoyo(connection, schema)
    journal.require(watcher, who.roles["ops"])


@dataclass(frozen=True, slots=True)
class Execution:
    """A run under both locks. `deployed` has the texts of the after-phase routines by id."""

    database: Database
    connection: psycopg.Connection[tuple[Any, ...]]
    run: Run
    listener: Listener
    deployed: dict[str, str]

    def execute(self, plan: Plan, to: str | None) -> None:
        """Do what the plan says."""
        deploy(self.connection, self.run, plan.routines.before, self._told)
        dropped = [name for planned in plan.migrations for name in self._apply(planned)]
        after = plan.routines.after
        if dropped:
            with self.database.connect("migrate") as reader:
                after = make_plan(self.database, reader, to=to, sources=plan.sources).routines.after
        deploy(self.connection, self.run, after, self._told)
        keep_partitions_ahead(self.connection)

    def _told(self, routine: Routine) -> None:
        self.listener(Event("deployed", routine.id))

    def _apply(self, planned: PlannedMigration) -> list[str]:
        """Run one migration; return the routines that were dropped because they stood in its way."""
        migration = planned.migration
        dropped: list[str] = []

        def before() -> None:
            dropped.extend(clear_the_way(self.connection, list(planned.statements), self.deployed))

        try:
            seconds = run_in_transaction(
                self.connection,
                name=migration.id,
                text=migration.script.text,
                source=migration.script,
                lock_timeout=self.database.target.project.manifest.migrate.lock_timeout,
                before=before,
                mark=lambda: self._mark(planned, dropped),
            )
        except DbkitError as exc:
            if record_end(self.database, self.run, migration.id, "failed", exc):
                raise committed_all_the_same(f"{migration.id} is applied", exc) from exc
            raise
        except KeyboardInterrupt as exc:
            committed = record_end(self.database, self.run, migration.id, "interrupted", None)
            raise InterruptedRunError(
                f"interrupted: {migration.id} {'is applied' if committed else 'was rolled back'}, what came before it stays",
                exit_code=getattr(exc, "exit_code", 130),
                hint="`dbkit migrate` goes on from here",
            ) from exc
        retake(self.connection)
        for name in dropped:
            self.listener(Event("in the way", name, text=migration.id))
        self.listener(Event("applied", migration.id, seconds))
        return dropped

    def _mark(self, planned: PlannedMigration, dropped: list[str]) -> None:
        migration = planned.migration
        with self.connection.pipeline():
            journal.mark(self.connection, self.run, self.database.target.schema, migration.name, "apply")
            journal.append(
                self.connection,
                self.run,
                "applied",
                "migration",
                migration.id,
                rendered=migration.script.text,
                rollback=migration.rollback.text if migration.rollback else None,
                checksum=token_hash(migration.script.text),
                statement=len(planned.statements),
                detail={"irreversible": migration.irreversible} if migration.irreversible else None,
            )
            for routine in dropped:
                journal.append(self.connection, self.run, "dropped", "routine", routine)


def retake(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Take the second lock again, which DISCARD ALL gave back."""
    lock.acquire(connection, lock.EXECUTE, wait=5, waiting=lambda _holder: None)


def record_end(
    database: Database, run: Run, object_id: str, event: str, exc: DbkitError | None, direction: Literal["up", "down"] = "up"
) -> bool:
    """Write how a migration ended, on a connection of its own: the first may be gone.

    Returns True, and writes nothing, where its mark is there: the end came when the server had committed already.
    """
    detail: dict[str, Any] = {"direction": direction}
    if exc:
        detail |= {"message": exc.message, "sqlstate": exc.sqlstate, "where": exc.where}
    try:
        with database.connect("migrate") as connection:
            if journal.happened(connection, run, "applied" if direction == "up" else "rolled back", object_id):
                return True
            journal.append(connection, run, event, "migration", object_id, detail=detail)
    except DbkitError:
        pass  # the server is gone: the transaction is rolled back, and the journal says nothing of it
    return False


def committed_all_the_same(what: str, exc: DbkitError) -> DbkitError:
    """Describe an error that came after the server had committed."""
    return DbkitError(
        f"{what}, but the connection did not outlive its commit: {exc.message}", sqlstate=exc.sqlstate, hint="run it again to go on"
    )


def keep_partitions_ahead(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Let the shared `ops` templates, where they are installed, make the coming partitions."""
    row = connection.execute("SELECT to_regprocedure('ops.create_all_partitions()') IS NOT NULL").fetchone()
    if not row or not row[0]:
        return
    connection.execute("SELECT * FROM ops.create_all_partitions()")
    short = connection.execute("SELECT * FROM ops.partitions_ahead()").fetchall()
    for table, months in (entry[:2] for entry in short):
        if months < 2:
            raise ConfigurationError(f"{table} has partitions for {months} months ahead only", hint="call ops.create_partitions() for it")
