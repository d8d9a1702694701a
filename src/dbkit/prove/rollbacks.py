"""Every rollback is proven before it is needed: each by itself, then all of them with routines and rows there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbkit.maintain.seed import seed
from dbkit.migrate.plan import Sources
from dbkit.migrate.rollback import rollback
from dbkit.migrate.run import migrate
from dbkit.prove.round_trip import refuse_difference_of_step, refuse_differences, refuse_leftovers, snapshot
from dbkit.source.files import load_migrations
from dbkit.source.repeatables import load_routines

if TYPE_CHECKING:
    from dbkit.migrate.engine import Event
    from dbkit.postgres.connect import Database
    from dbkit.postgres.journal import Run
    from dbkit.source.files import Migration


def prove_rollbacks(database: Database, run: Run) -> str | None:
    """Prove them on an empty database, which ends migrated, deployed and seeded; return the last that is irreversible.

    Nothing goes back behind that one. Raises DbkitError with the catalog's differences.
    """
    migrations = load_migrations(database.target.project, database.service)
    fixed = next((m for m in reversed(migrations) if m.irreversible), None)
    _each_by_itself(database, run, migrations)
    migrate(database, run, _unheard)
    up = snapshot(database)
    seed(database)
    rollback(database, run, _unheard, to=fixed.id if fixed else "0", steps=None)
    if not fixed:
        refuse_leftovers(database)
    migrate(database, run, _unheard)
    refuse_differences(database, up, snapshot(database))
    seed(database)
    return fixed.name if fixed else None


def _each_by_itself(database: Database, run: Run, migrations: list[Migration]) -> None:
    """Go up one by one, and down one by one: each rollback must bring back the catalog of before its migration.

    The routines of the after phase, written for the last migration, are left out.
    """
    before_phase = tuple(r for r in load_routines(database.target.project, database.service) if r.phase == "before")
    migrate(database, run, _unheard, sources=Sources((), before_phase))
    catalogs = [snapshot(database)]
    for count in range(1, len(migrations) + 1):
        migrate(database, run, _unheard, sources=Sources(tuple(migrations[:count]), before_phase))
        catalogs.append(snapshot(database))
    for migration, before in zip(reversed(migrations), reversed(catalogs[:-1]), strict=True):
        if migration.irreversible:
            return
        rollback(database, run, _unheard, to=None, steps=1)
        refuse_difference_of_step(database, migration, before, snapshot(database))


def _unheard(event: Event) -> None:
    """Nobody watches a proof."""
    del event
