"""Applying a plan: before-phase routines, migrations, the other routines."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError, DbkitError, InterruptedRunError
from dbkit.migrate.backfill import Position, Walk, forget
from dbkit.migrate.baseline import texts
from dbkit.migrate.engine import Engine, Listener, committed_all_the_same, engine, finish, prepare, record_end, refuse_read_only
from dbkit.migrate.plan import Plan, PlannedMigration, Sources, make_plan
from dbkit.migrate.steps import Steps
from dbkit.migrate.unit import run_in_transaction
from dbkit.postgres import journal
from dbkit.postgres.roles import alone_with_roles
from dbkit.postgres.session import open_watcher, refuse_pooled
from dbkit.routines import clear_the_way, deploy, deployed_after
from dbkit.source.backfill import chunks
from dbkit.source.checksum import token_hash

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.connect import Database
    from dbkit.postgres.journal import Run
    from dbkit.source.files import Routine


def migrate(
    database: Database, run: Run, listener: Listener, *, to: str | None = None, lock_wait: float = 60.0, sources: Sources | None = None
) -> Plan:
    """Bring one service's database up to its files; return what was done.

    A run with nothing to do takes no lock and writes nothing. `sources` are the files, where they were read before.
    """
    watcher, pooled = open_watcher(database, "migrate")
    with watcher:
        plan = make_plan(database, watcher, to=to, sources=sources)
        refuse_read_only(database, plan.authority)
        if plan.is_empty:
            return plan
        for planned in plan.migrations:
            if planned.migration.backfill or not planned.migration.transactional:
                refuse_pooled(pooled=pooled, what=planned.migration.id, where=f"{planned.migration.path}:1")
        with engine(database, watcher, plan.authority, run, listener, pooled=pooled, lock_wait=lock_wait) as work:
            prepare(work)
            plan = make_plan(database, watcher, to=to, sources=plan.sources)
            Execution(work, deployed_after(watcher, plan.state)).execute(plan, to)
    return plan


@dataclass(frozen=True, slots=True)
class Execution:
    """A run under both locks. `deployed` has the texts of the after-phase routines by id."""

    work: Engine
    deployed: dict[str, str]

    def execute(self, plan: Plan, to: str | None) -> None:
        """Do what the plan says."""
        work = self.work
        self._deploy(plan.routines.before)
        dropped = [name for planned in plan.migrations for name in self._apply(planned)]
        after = plan.routines.after
        if dropped:
            after = make_plan(work.database, work.watcher, to=to, sources=plan.sources).routines.after
        self._deploy(after)
        keep_partitions_ahead(work)
        finish(work, {"applied": len(plan.migrations), "deployed": len(after)})

    def _deploy(self, routines: tuple[Routine, ...]) -> None:
        work = self.work
        if routines:
            work.persist(
                f"{work.database.service}/routines",
                lambda: deploy(work.session, work.run, routines, lambda routine: work.tell("deployed", routine.id)),
            )

    def _apply(self, planned: PlannedMigration) -> list[str]:
        """Run one migration; return the routines that were dropped because they stood in its way."""
        migration, work = planned.migration, self.work
        seconds: float | None
        try:
            with alone_with_roles(work.database.conninfo()) if "roles" in migration.allow else nullcontext():
                if migration.backfill:
                    seconds, dropped = self._backfill(planned), list[str]()
                elif migration.transactional:
                    seconds, dropped = self._in_transaction(planned)
                else:
                    seconds, dropped = self._step_by_step(planned)
        except DbkitError as exc:
            if record_end(work.database, work.run, migration.id, "failed", exc):
                raise committed_all_the_same(f"{migration.id} is applied", exc) from exc
            raise
        except KeyboardInterrupt as exc:
            committed = record_end(work.database, work.run, migration.id, "interrupted", None)
            raise InterruptedRunError(
                f"interrupted: {migration.id} {_left(planned, committed=committed)}",
                exit_code=getattr(exc, "exit_code", 130),
                hint="`dbkit migrate` goes on from here",
            ) from exc
        for name in dropped:
            work.tell("in the way", name, migration.id)
        work.tell("applied", migration.id, seconds=seconds or 0.0)
        return dropped

    def _in_transaction(self, planned: PlannedMigration) -> tuple[float | None, list[str]]:
        migration, dropped = planned.migration, list[str]()
        script = migration.script

        def before() -> None:
            dropped[:] = clear_the_way(self.work.connection, planned.statements, self.deployed)

        seconds = self.work.persist(
            migration.id,
            lambda: run_in_transaction(
                self.work.session,
                name=migration.id,
                text=None if script.is_large else script.text,
                source=script,
                before=before,
                mark=lambda: self._mark(planned, dropped),
            ),
            is_in=lambda: self._is_in(planned),
        )
        return seconds, dropped

    def _step_by_step(self, planned: PlannedMigration) -> tuple[float, list[str]]:
        steps = Steps(
            self.work,
            planned.migration.id,
            planned.migration.script,
            planned.statements,
            "up",
            before=lambda statement: clear_the_way(self.work.connection, [statement], self.deployed),
        )
        seconds, dropped = steps.execute()
        self._end(planned, lambda: self._mark(planned, []))
        return seconds, dropped

    def _backfill(self, planned: PlannedMigration) -> float:
        migration = planned.migration
        assert migration.backfill is not None  # noqa: S101 asked by the caller
        where = f"{migration.path}:{planned.statements[0].line}"
        walk = Walk(
            self.work,
            migration.id,
            where,
            chunks(list(planned.statements), migration.backfill, str(migration.path)),
            migration.backfill.batch,
            token_hash(planned.statements[0].text),
        )
        seconds, end = walk.execute()

        def mark() -> None:
            self._mark(planned, [], end)
            forget(self.work, migration.id)

        self._end(planned, mark)
        return seconds

    def _end(self, planned: PlannedMigration, mark: Callable[[], None]) -> None:
        """Write the mark of a migration that was more than one transaction."""
        self.work.persist(
            planned.migration.id,
            lambda: run_in_transaction(
                self.work.session,
                name=planned.migration.id,
                text="",
                source=None,
                mark=mark,
            ),
            is_in=lambda: self._is_in(planned),
        )

    def _is_in(self, planned: PlannedMigration) -> bool:
        return journal.happened(self.work.watcher, self.work.run, "applied", planned.migration.id)

    def _mark(self, planned: PlannedMigration, dropped: list[str], end: Position | None = None) -> None:
        migration, work = planned.migration, self.work
        detail: dict[str, Any] = {"rows": end.rows, "chunks": end.chunks} if end else {}
        journal.mark(work.connection, work.run, work.database.target.schema, migration.name, "apply")
        journal.append(
            work.connection,
            work.run,
            "applied",
            "migration",
            migration.id,
            statement=None if migration.script.is_large else planned.checked.count,
            **texts(migration, detail),
        )
        for routine in dropped:
            journal.append(work.connection, work.run, "dropped", "routine", routine)


def _left(planned: PlannedMigration, *, committed: bool) -> str:
    """Say how an interrupt left a migration."""
    if committed:
        return "is applied"
    if planned.migration.backfill or not planned.migration.transactional:
        return "stopped where it was, what it had done stays"
    return "was rolled back, what came before it stays"


def keep_partitions_ahead(work: Engine) -> None:
    """Let the shared `ops` templates, where they are installed, make the coming partitions."""
    with work.session.transaction() as connection:
        short = _partitions_ahead(connection)
    for table, months in short:
        if months < 2:
            raise ConfigurationError(f"{table} has partitions for {months} months ahead only", hint="call ops.create_partitions() for it")


def _partitions_ahead(connection: psycopg.Connection[tuple[Any, ...]]) -> list[tuple[str, int]]:
    row = connection.execute("SELECT to_regprocedure('ops.create_all_partitions()') IS NOT NULL").fetchone()
    if not row or not row[0]:
        return []
    connection.execute("SELECT * FROM ops.create_all_partitions()")
    return [entry[:2] for entry in connection.execute("SELECT * FROM ops.partitions_ahead()").fetchall()]
