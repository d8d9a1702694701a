"""Up, down and up again end where they began: the catalogs are compared, not the exit codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbkit.errors import DbkitError
from dbkit.postgres import catalog
from dbkit.postgres.connect import authority
from dbkit.postgres.objects import RELATIONS
from dbkit.verify import Difference, compare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbkit.postgres.catalog import Catalog
    from dbkit.postgres.connect import Database
    from dbkit.source.files import Migration

SHOWN = 12
LEFTOVERS = RELATIONS | {"sequence", "enum", "domain", "composite", "range"}


def snapshot(database: Database) -> Catalog:
    """Read what is in the service's schemas."""
    with database.connect("test") as connection:
        owner = authority(connection, database.target).owner
        return catalog.read(connection, catalog.schemas_of(connection, database.target.schema, owner))


def refuse_leftovers(database: Database) -> None:
    """Raise where the service's schema holds anything after every migration was rolled back.

    What the before-phase routines made stays: they are not undone with the migrations.
    """
    found = snapshot(database)
    left = [thing.shown for thing in found.objects.values() if thing.schema == database.target.schema and thing.kind in LEFTOVERS]
    repeatable = _made_before(database)
    left = [name for name in left if name not in repeatable]
    if left:
        raise DbkitError(
            f"{database.service}: after all migrations were rolled back there is still {', '.join(left[:SHOWN])}",
            hint="their rollbacks undo less than was done: complete them",
        )


def _made_before(database: Database) -> set[str]:
    from dbkit.routines.order import created
    from dbkit.source.repeatables import load_routines
    from dbkit.source.statements import parse

    before = [r for r in load_routines(database.target.project, database.service) if r.phase == "before"]
    return {name for routine in before for statement in parse(routine.script.text) for name in created(statement)}


def refuse_difference_of_step(database: Database, migration: Migration, before: Catalog, after: Catalog) -> None:
    """Raise where a rollback did not bring back what was there before its migration; the service's schema is dbkit's, and stays."""
    schema = database.target.schema
    differences = [d for d in compare(before, after) if (d.kind, d.object, d.verdict) != ("schema", schema, "unexpected")]
    if differences:
        raise DbkitError(
            f"{migration.id}: its rollback does not bring back what was before it:\n{_lines(differences)}",
            where=f"{migration.rollback.path}:1" if migration.rollback else None,
            hint="complete the rollback, or say `-- irreversible: why` in the migration",
        )


def refuse_differences(database: Database, first: Catalog, second: Catalog) -> None:
    """Raise where the second way up ended elsewhere than the first."""
    differences = compare(first, second)
    if differences:
        raise DbkitError(
            f"{database.service}: up, down and up again is not the same as up:\n{_lines(differences)}",
            hint="a rollback leaves something behind, or takes away too much",
        )


def _lines(differences: Sequence[Difference]) -> str:
    lines = "\n".join(f"  {describe(difference)}" for difference in differences[:SHOWN])
    return lines + (f"\n  and {len(differences) - SHOWN} more" if len(differences) > SHOWN else "")


def describe(difference: Difference) -> str:
    """Write a difference on one line."""
    details = "; ".join(f"{name}: {one} -> {two}" for name, (one, two) in difference.details.items())
    return f"{difference.verdict} {difference.kind} {difference.object}{': ' if details else ''}{details}"
