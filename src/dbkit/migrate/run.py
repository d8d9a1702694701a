"""One service's run: a look, which takes no lock and is all where there is nothing to do; then the work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbkit.migrate.plan import Plan, Sources, make_plan
from dbkit.postgres import journal
from dbkit.postgres.connect import open_watcher, refuse_read_only
from dbkit.source.files import load_migrations

if TYPE_CHECKING:
    import threading

    import psycopg

    from dbkit.migrate.engine import Engine, Listener
    from dbkit.postgres.connect import Database
    from dbkit.postgres.journal import Run
    from dbkit.routines.decide import Decision


def migrate(
    database: Database,
    run: Run,
    listener: Listener,
    *,
    to: str | None = None,
    lock_wait: float = 60.0,
    sources: Sources | None = None,
    opened: tuple[psycopg.Connection[tuple[Any, ...]], bool] | None = None,
    halt: threading.Event | None = None,
    by_hand: Decision = "stop",
    orphans: bool = False,
) -> Plan:
    """Bring one service's database up to its files; return what was done.

    A wrong file is refused before the server is asked. A run with nothing to do takes no lock and writes nothing, unless the one
    before it was ended before its own end. `sources` are the files, where they were read before; `opened` is what `open_watcher`
    gave, where it was asked before; `halt` interrupts a run that is not the main thread's; `by_hand` says what becomes of routines
    that were changed by hand, `orphans` whether those without a file are dropped.
    """
    overwrite = by_hand == "overwrite"
    migrations = sources.migrations if sources else tuple(load_migrations(database.target.project, database.service))
    watcher, pooled = opened or open_watcher(database, "migrate")
    with watcher:
        plan = make_plan(database, watcher, to=to, sources=sources, migrations=migrations, overwrite=overwrite)
        refuse_read_only(database, plan.authority)
        decided = (orphans and plan.routines.gone) or (by_hand == "adopt" and plan.routines.touched.changed)
        if plan.is_empty and not decided and not journal.unfinished(watcher, database.service, plan.version):
            return plan
        from dbkit.migrate.apply import begin
        from dbkit.migrate.engine import engine, prepare
        from dbkit.postgres.session import refuse_pooled

        for planned in plan.migrations:
            migration = planned.migration
            if migration.backfill or not migration.transactional or "roles" in migration.allow:
                refuse_pooled(pooled=pooled, what=migration.id, where=f"{migration.path}:1")
        with engine(database, watcher, plan.authority, run, listener, pooled=pooled, lock_wait=lock_wait, halt=halt) as work:
            prepare(work)
            plan = make_plan(database, watcher, to=to, sources=plan.sources, overwrite=overwrite)
            if by_hand == "adopt":
                plan = _adopted(work, plan, to)
            begin(work, plan, orphans=orphans, overwrite=overwrite).execute(plan, to, orphans=orphans)
    return plan


def _adopted(work: Engine, plan: Plan, to: str | None) -> Plan:
    """Take what was changed by hand for known, and plan again."""
    from dbkit.routines.decide import adopt

    for name in adopt(work.watcher, work.run, plan.service, plan.state, plan.routines.touched, plan.sources.routines):
        work.tell("adopted", name)
    return make_plan(work.database, work.watcher, to=to, sources=plan.sources)
