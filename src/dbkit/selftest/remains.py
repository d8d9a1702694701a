"""What is left when a history has come to its end: catalog, journal, data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbkit.postgres import catalog, journal

if TYPE_CHECKING:
    from dbkit.postgres.catalog import Catalog
    from dbkit.selftest.trial import Trial

TABLES = (
    "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'main'::regnamespace AND relkind IN ('r', 'p')"
    " AND relname !~ '^_yoyo' ORDER BY 1"
)
ENDS = (
    "SELECT event, object, statement FROM dbkit.journal WHERE kind = 'migration' AND event IN ('applied', 'rolled back', 'done')"
    " ORDER BY id"
)
YOYO = "SELECT migration_id, operation FROM main._yoyo_log ORDER BY created_at_utc"
ROUTINES = "SELECT object, event, text_hash FROM dbkit.state WHERE kind = 'routine' ORDER BY object"


@dataclass(frozen=True, slots=True)
class Remains:
    """`wrong` is what can't be right, whatever it is compared with."""

    catalog: Catalog
    data: dict[str, list[str]]
    ends: list[tuple[Any, ...]]
    yoyo: list[tuple[Any, ...]]
    routines: list[tuple[Any, ...]]
    wrong: tuple[str, ...]

    def differences(self, straight: Remains) -> list[str]:
        """Say what is not as in the history that nobody disturbed."""
        found = list(self.wrong)
        keys = {*self.catalog.objects, *straight.catalog.objects}
        changed = [" ".join(key) for key in sorted(keys) if self.catalog.objects.get(key) != straight.catalog.objects.get(key)]
        if changed:
            found.append(f"the catalog differs: {', '.join(changed)}")
        for name in sorted({*self.data, *straight.data}):
            mine, theirs = Counter(self.data.get(name, ())), Counter(straight.data.get(name, ()))
            if mine != theirs:
                found.append(f"the data of {name} differs: {_few(mine - theirs)} too much, {_few(theirs - mine)} missing")
        for what in ("ends", "yoyo", "routines"):
            mine, theirs = getattr(self, what), getattr(straight, what)
            if mine != theirs:
                found.append(
                    f"the journal differs ({what}): {[row for row in mine if row not in theirs]} is too much or {mine} is in another order"
                )
        return found


def remains(made: Trial) -> Remains:
    """Read what is left."""
    made.agree()
    with made.arena.connect(made.database) as connection:
        schemas = catalog.schemas_of(connection, "main", "selftest_main_owner")
        found = catalog.read(connection, schemas)
        recorded = journal.last_fingerprint(connection, "main")
    wrong = [] if recorded == found.fingerprint else ["the last fingerprint in the journal is not that of the catalog"]
    if made.value("SELECT count(*) FROM dbkit.progress"):
        wrong.append("a cursor of a backfill is left")
    return Remains(
        catalog=found,
        data={name: made.column(f"SELECT t::text FROM {name} AS t") for name in made.column(TABLES)},
        ends=made.rows(ENDS),
        yoyo=made.rows(YOYO),
        routines=made.rows(ROUTINES),
        wrong=tuple(wrong),
    )


def _few(rows: Counter[str]) -> str:
    shown = [f"{row} ({count} times)" if count > 1 else row for row, count in sorted(rows.items())]
    return f"{', '.join(shown[:5])}{' …' if len(shown) > 5 else ''}" if shown else "nothing"
