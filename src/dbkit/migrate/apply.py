"""Applying a plan: before-phase routines, migrations, the other routines."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError, DbkitError, InterruptedRunError
from dbkit.migrate.backfill import Position, Walk, forget
from dbkit.migrate.baseline import recognise, texts
from dbkit.migrate.engine import Engine, committed_all_the_same, finish, record_end
from dbkit.migrate.plan import Plan, PlannedMigration, make_plan
from dbkit.migrate.steps import Steps
from dbkit.migrate.unit import run_in_transaction
from dbkit.postgres import journal
from dbkit.postgres.roles import alone_with_roles
from dbkit.routines.decide import refuse_conflicts
from dbkit.routines.definitions import Suspect, record, take_note
from dbkit.routines.deploy import Deploy
from dbkit.routines.obstacles import Obstacles
from dbkit.routines.plan import deployed
from dbkit.routines.prune import prune
from dbkit.source.backfill import chunks
from dbkit.source.checksum import token_hash

if TYPE_CHECKING:
    import psycopg

    from dbkit.source.repeatables import Routine


def begin(work: Engine, plan: Plan, *, orphans: bool, overwrite: bool) -> Execution:
    """Settle what was changed by hand before anything runs. Raises DbkitError where nobody has decided."""
    seen, service = plan.routines.touched, plan.service
    noted = take_note(work.watcher, service, plan.state, seen)
    if noted.is_new_major:
        work.tell("notice", service, f"PostgreSQL {plan.authority.major} is new here: the definitions of routines were read again")
    suited = [routine for routine in plan.sources.routines if routine.suits(plan.authority.major)]
    accepted: tuple[Suspect, ...] | None = None
    if not overwrite:
        pending = [*plan.routines.pending, *(plan.routines.gone if orphans else ())]
        accepted = refuse_conflicts(work.session, seen.of(pending), suited)
    ids = {routine.id for routine in suited}
    after = [name for name in deployed(plan.state, "after") if name in ids]
    obstacles = Obstacles(work.watcher, work.database.target, after, suited, overwrite=overwrite)
    return Execution(work, suited, seen.changed, accepted, obstacles, has_records=noted.has_records)


@dataclass(slots=True)
class Execution:
    """A run under both locks.

    `suited` are the routines for this server; `changed` was changed by hand, and what is `accepted` of it (None: all)
    may be replaced; `has_records` says whether there are definitions that a migration may rewrite.
    """

    work: Engine
    suited: list[Routine]
    changed: tuple[Suspect, ...]
    accepted: tuple[Suspect, ...] | None
    obstacles: Obstacles
    has_records: bool

    def execute(self, plan: Plan, to: str | None, *, orphans: bool) -> None:
        """Do what the plan says."""
        work, overwrite = self.work, self.accepted is None
        for baseline in plan.recognised:
            recognise(work, baseline)
        waiting = self._deploy(plan.routines.before)
        waiting += [name for planned in plan.migrations for name in self._apply(planned)]
        after = plan.routines.after
        if waiting:
            routines = make_plan(work.database, work.watcher, to=to, sources=plan.sources, overwrite=overwrite).routines
            self._deploy(routines.before)
            after = routines.after
        self._deploy(after)
        if orphans and plan.routines.gone:
            self._prune(plan)
        keep_partitions_ahead(work)
        finish(work, {"applied": len(plan.migrations), "deployed": len(after)})

    def _deploy(self, routines: tuple[Routine, ...]) -> list[str]:
        """Put routines in; return those that had to be dropped for it and wait for the next deploy."""
        work = self.work
        if not routines:
            return []
        deploy = Deploy(work.session, work.run, work.database.service, self.suited, self.changed, self.accepted)
        done = work.persist(f"{work.database.service}/routines", lambda: deploy.execute(routines))
        assert done is not None  # noqa: S101 a lost deploy is done again
        self.has_records = True
        for name in done.sent:
            work.tell("deployed", name)
        return list(done.waiting)

    def _prune(self, plan: Plan) -> None:
        work, rows = self.work, deployed(plan.state)
        texts = journal.texts(work.watcher, [rows[name] for name in plan.routines.gone])
        pruned = work.persist(
            f"{plan.service}/routines",
            lambda: prune(work.session, work.run, plan.service, texts, self.changed, self.accepted),
        )
        for name, kept in (pruned or {}).items():
            work.tell("pruned", name, f"{', '.join(kept)} may hold rows and stays: drop it in a migration" if kept else "")

    def _record(self, connection: psycopg.Connection[tuple[Any, ...]]) -> list[str]:
        """Record what a migration's transaction left of the routines; return those of which something is gone."""
        if not self.has_records:
            return []
        return list(record(connection, self.work.database.service, skip=[suspect.object for suspect in self.changed]).gone)

    def _apply(self, planned: PlannedMigration) -> list[str]:
        """Run one migration; return the routines that were dropped because they stood in its way."""
        migration, work = planned.migration, self.work
        work.keep_lock()
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
            if record_end(work, migration.id, "failed", exc):
                raise committed_all_the_same(f"{migration.id} is applied", exc) from exc
            raise
        except KeyboardInterrupt as exc:
            committed = record_end(work, migration.id, "interrupted", None)
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
            dropped[:] = self.obstacles.clear(self.work.connection, planned.statements, migration.id)

        def after() -> None:
            dropped.extend(name for name in self._record(self.work.connection) if name not in dropped)

        seconds = self.work.persist(
            migration.id,
            lambda: run_in_transaction(
                self.work.session,
                name=migration.id,
                text=None if script.is_large else script.text,
                source=script,
                before=before if self.obstacles.after else None,
                after=after if self.has_records else None,
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
            before=lambda statement: self.obstacles.clear(self.work.connection, [statement], planned.migration.id),
            after=lambda: self._record(self.work.connection),
        )
        seconds, dropped = steps.execute()
        return seconds, dropped + self._end(planned)

    def _backfill(self, planned: PlannedMigration) -> float:
        migration = planned.migration
        assert migration.backfill is not None  # noqa: S101 asked by the caller
        parsed = list(planned.statements)
        where = f"{migration.path}:{parsed[0].line}"
        walk = Walk(
            self.work,
            migration.id,
            where,
            chunks(parsed, migration.backfill, str(migration.path)),
            migration.backfill.batch,
            token_hash(f"{migration.backfill.key} {parsed[0].text}"),
        )
        seconds, end = walk.execute()

        self._end(planned, end)
        return seconds

    def _end(self, planned: PlannedMigration, end: Position | None = None) -> list[str]:
        """Write the mark of a migration that was more than one transaction; return the routines of which something is gone."""
        gone: list[str] = []

        def after() -> None:
            gone[:] = self._record(self.work.connection)

        def mark() -> None:
            self._mark(planned, gone, end)
            if end:
                forget(self.work, planned.migration.id)

        self.work.persist(
            planned.migration.id,
            lambda: run_in_transaction(
                self.work.session,
                name=planned.migration.id,
                text="",
                source=None,
                after=after,
                mark=mark,
            ),
            is_in=lambda: self._is_in(planned),
        )
        return gone

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
