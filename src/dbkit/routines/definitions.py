"""Live definitions of what routines made: read, recorded in the transaction that left them so, compared before a deploy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbkit.postgres import journal
from dbkit.postgres.connect import server_error
from dbkit.postgres.queries import sql
from dbkit.routines.made import Key, find, made

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.journal import Entry

    Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Live:
    """An object as it is: `object` is how DROP names it, `version` its row versions in the catalog."""

    classid: int
    objid: int
    object: str
    name: str
    version: str
    definition: str
    traits: dict[str, Any]

    @property
    def key(self) -> Key:
        return self.classid, self.objid


@dataclass(frozen=True, slots=True)
class Suspect:
    """An object that somebody touched since dbkit last looked: as journalled, and as it is (None: it is gone)."""

    routine: str
    object: str
    journalled: str
    traits: dict[str, Any]
    major: int
    is_adopted: bool
    live: Live | None

    @property
    def told(self) -> str:
        """What a person reads of it."""
        return f"by hand: {self.object}{'' if self.live else ' is gone'}"

    def is_changed(self, major: int) -> bool:
        """Say whether its definition was changed by hand; privileges are no part of it: a deploy keeps them.

        Another major prints definitions in another way: there only what reads alike is compared, privileges too.
        """
        if self.live is None:
            return True
        if self.major == major:
            return self.live.definition != self.journalled
        return _lasting(self.live.traits) != _lasting(self.traits)


def _lasting(traits: dict[str, Any]) -> dict[str, Any]:
    """Leave out the privilege that came with PostgreSQL 17, which an upgrade gives along with all others."""
    return traits | {"privileges": [item for item in traits["privileges"] if item[0] != "MAINTAIN"]}


@dataclass(frozen=True, slots=True)
class Touched:
    """What was found beside the records: `changed` by hand, `adopted` as it was, and `same`, whose records only need a new version."""

    changed: tuple[Suspect, ...] = ()
    adopted: tuple[Suspect, ...] = ()
    same: tuple[Suspect, ...] = ()

    @property
    def changed_objects(self) -> list[str]:
        return [suspect.object for suspect in self.changed]

    def of(self, routines: Iterable[str]) -> tuple[Suspect, ...]:
        """Return what was changed by hand of these routines."""
        wanted = set(routines)
        return tuple(suspect for suspect in self.changed if suspect.routine in wanted)


def touched(connection: Connection, service: str, version: int | None = None) -> Touched:
    """Compare the records with the catalog. Writes nothing, and prints no definition of what nobody touched.

    `version` is the journal's, if it is known.
    """
    import psycopg

    if (journal.version(connection) if version is None else version) < journal.DEFINITIONS:
        return Touched()
    try:
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '3s'")
            return touched_now(connection, service)
    except psycopg.errors.LockNotAvailable as exc:
        raise server_error(
            exc,
            doing=f"{service}: a view that somebody touched can't be compared with its record",
            hint=lambda _: "another session holds a table that it reads: try again",
        ) from exc


def touched_now(connection: Connection, service: str) -> Touched:
    """Do the same in the caller's transaction, as a role that may read the journal."""
    names = connection.execute(sql("suspect_definitions").encode(), {"service": service}).fetchall()
    if not names:
        return Touched()
    major = connection.info.server_version // 10000
    rows = qualified(connection, "suspects_and_live", {"objects": [name for (name,) in names]})
    suspects = [Suspect(*(*row[:6], _live(row[6:]))) for row in rows]
    changed = [suspect for suspect in suspects if suspect.is_changed(major)]
    rest = [suspect for suspect in suspects if suspect not in changed]
    return Touched(
        tuple(changed),
        tuple(suspect for suspect in rest if suspect.is_adopted),
        tuple(suspect for suspect in rest if not suspect.is_adopted),
    )


def _live(columns: Sequence[Any]) -> Live | None:
    return Live(*columns) if columns[1] is not None else None


def qualified(connection: Connection, query: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Ask within a transaction, so that every name comes qualified; search_path is the session's again afterwards."""
    text = sql(query).replace("{live}", sql("live_definitions"))
    with connection.pipeline():
        connection.execute("SET LOCAL search_path = ''")
        cursor = connection.execute(text.encode(), parameters)
        connection.execute("SET LOCAL search_path TO DEFAULT")
    return cursor.fetchall()


def live(connection: Connection, keys: Sequence[Key]) -> list[Live]:
    """Read objects as they are, within a transaction; those that are none of ours are left out."""
    rows = qualified(connection, "definitions_of", {"classes": [key[0] for key in keys], "objects": [key[1] for key in keys]})
    return [Live(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a transaction left: routines of which something is gone, and the functions whose definition it changed."""

    gone: tuple[str, ...] = ()
    changed: tuple[Key, ...] = ()


def record(connection: Connection, service: str, *, made_by: Mapping[Key, str] | None = None, skip: Iterable[str] = ()) -> Recorded:
    """Record what the service's routines made, at the end of the transaction that changed it, as a role that may write the journal.

    `made_by` are new or replaced objects and their routines; `skip` are those that were changed by hand before: the record
    of those stays.
    """
    new = dict(made_by or {})
    written = connection.execute(sql("rewritten_objects").encode(), {"service": service, "skip": list(skip)}).fetchall()
    wanted = [(*key, routine, None) for key, routine in new.items()] + [row for row in written if (row[0], row[1]) not in new]
    if not wanted:
        return Recorded()
    columns = zip(("classes", "objects", "routines", "recorded"), map(list, zip(*wanted, strict=True)), strict=True)
    rows = qualified(connection, "recorded_and_live", dict(columns))
    gone: dict[str, str] = {}
    present: list[tuple[str, Live, bool]] = []
    renamed: list[str] = []
    changed: list[Key] = []
    for routine, recorded, before, is_adopted, *rest in rows:
        now = _live(rest)
        if now is None:
            if recorded:
                gone[recorded] = routine
            continue
        present.append((routine, now, is_adopted))
        if recorded and recorded != now.object:
            renamed.append(recorded)
        if before is not None and before != now.definition:
            changed.append(now.key)
    if gone:
        connection.execute("UPDATE dbkit.definition SET objid = NULL WHERE object = ANY(%s)", [list(gone)])
    if renamed:
        connection.execute("DELETE FROM dbkit.definition WHERE object = ANY(%s)", [renamed])
    write(connection, service, present)
    return Recorded(tuple(dict.fromkeys(gone.values())), tuple(changed))


def write(connection: Connection, service: str, found: Sequence[tuple[str, Live, bool]]) -> None:
    """Write the records of objects, each with the routine that made it and whether it was adopted as somebody changed it."""
    if not found:
        return
    common = {"service": service, "major": connection.info.server_version // 10000}
    rows = [
        common
        | {"routine": routine, "object": now.object, "name": now.name, "classid": now.classid, "objid": now.objid}
        | {"version": now.version, "definition": now.definition, "traits": now.traits, "is_adopted": is_adopted}
        for routine, now, is_adopted in found
    ]
    connection.execute(sql("write_definitions").encode(), {"rows": json.dumps(rows)})


@dataclass(frozen=True, slots=True)
class Noted:
    """Whether the service has records, and whether they were of another major until now."""

    has_records: bool
    is_new_major: bool


def take_note(connection: Connection, service: str, state: Mapping[str, Entry], seen: Touched) -> Noted:
    """Bring the records of what was not changed by hand up to date.

    Where there is none yet, since an older dbkit deployed the routines, what is there now is what is known.
    """
    major = connection.info.server_version // 10000
    with connection.transaction():
        write(connection, service, [(s.routine, s.live, s.is_adopted) for s in (*seen.same, *seen.adopted) if s.live])
        row = connection.execute("SELECT EXISTS (SELECT 1 FROM dbkit.definition WHERE service = %s)", [service]).fetchone()
        has_records = bool(row and row[0])
        if not has_records:
            from dbkit.source.statements import parse

            ids = [entry.id for entry in state.values() if entry.kind == "routine" and entry.event == "deployed"]
            if not ids:
                return Noted(has_records=False, is_new_major=False)
            texts = journal.texts(connection, ids)
            pairs = [(routine, thing) for routine, text in texts.items() for statement in parse(text) if (thing := made(statement))]
            keys = find(connection, [thing for _, thing in pairs])
            made_by = {key: routine for key, (routine, _) in zip(keys, pairs, strict=True) if key}
            record(connection, service, made_by=made_by)
            has_records = bool(made_by)
    return Noted(has_records, any(suspect.major != major for suspect in seen.same))
