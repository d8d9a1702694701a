"""Replacing what CREATE OR REPLACE can't: dropped by exact signature, made again with its privileges, or refused with names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbkit.errors import DbkitError
from dbkit.postgres.script import ScriptError, explain, send
from dbkit.routines.conflict import LOST, conflict
from dbkit.routines.definitions import Live, Suspect, live, qualified
from dbkit.routines.made import Key, Made, find, made

if TYPE_CHECKING:
    import psycopg

    from dbkit.source.repeatables import Routine
    from dbkit.source.statements import Statement

    Connection = psycopg.Connection[tuple[Any, ...]]

# what CREATE OR REPLACE answers where only a new object will do: another return type or parameter name, another kind, other columns
IRREPLACEABLE = frozenset({"42P13", "42809", "42P16"})
REPLACED = (
    "its signature, result or columns changed, so the old one has to go: move what depends on it in a migration,"
    " or give the new one another name"
)
Privilege = list[Any]  # name, column or None, grantee, whether it may be passed on


@dataclass(frozen=True, slots=True)
class Known:
    """What the journal says that routines made.

    `routines` says whose an object is, `objects` how DROP names it, `due_again` has the privileges of those that are to be made again.
    """

    routines: Mapping[Key, str]
    objects: Mapping[Key, str]
    due_again: Mapping[str, tuple[str, list[Privilege]]]


def known(connection: Connection, service: str) -> Known:
    """Read it, as a role that may read the journal."""
    rows = connection.execute(
        "SELECT classid, objid, object, routine, traits -> 'privileges' FROM dbkit.definition WHERE service = %s", [service]
    ).fetchall()
    return Known(
        {(classid, objid): routine for classid, objid, _, routine, _ in rows if objid is not None},
        {(classid, objid): name for classid, objid, name, _, _ in rows if objid is not None},
        {name: (routine, privileges) for _, objid, name, routine, privileges in rows if objid is None},
    )


@dataclass(slots=True)
class Replacement:
    """The objects of one transaction that can't be replaced in place.

    `due` are the routines of this transaction, `again` all that can be made again, in it or by the deploy that follows;
    those of them of which something was dropped on the way are in `dropped`. `spared` was changed by hand, or adopted so,
    and must not be lost.
    """

    connection: Connection
    known: Known
    due: Collection[str] = ()
    again: Collection[str] = ()
    spared: Collection[Suspect] = ()
    dropped: dict[str, None] = field(default_factory=dict)
    kept: dict[str, list[Privilege]] = field(default_factory=dict)

    def put(self, routine: Routine, leftovers: Sequence[Key]) -> None:
        """Send a routine statement by statement; drop first what it made once and makes no more."""
        self.kept |= {name: privileges for name, (owner, privileges) in self.known.due_again.items() if owner == routine.id}
        if leftovers:
            self.drop(leftovers, routine.id, f"{routine.script.path}:1", REPLACED)
        for statement in routine.statements:
            thing = made(statement)
            if thing is None:
                _send(self.connection, routine, statement)
            else:
                self._make(routine, statement, thing)

    def _make(self, routine: Routine, statement: Statement, thing: Made) -> None:
        connection = self.connection
        connection.execute("SAVEPOINT replacement")
        try:
            _send(connection, routine, statement)
        except DbkitError as exc:
            if exc.sqlstate not in IRREPLACEABLE:
                raise
            connection.execute("ROLLBACK TO SAVEPOINT replacement")
            (key,) = find(connection, [thing])
            if key is None or self.known.routines.get(key, routine.id) not in {routine.id, *self.due}:
                raise  # it is another routine's
            self.drop([key], routine.id, exc.where, REPLACED)
            _send(connection, routine, statement)
        connection.execute("RELEASE SAVEPOINT replacement")
        (key,) = find(connection, [thing])
        if key and self.kept:
            self._give_back(live(connection, [key])[0])

    def drop(self, keys: Sequence[Key], routine: str, where: str | None, hint: str) -> None:
        """Drop objects of a routine, and before them what of ours depends on them; refuse while something else does.

        What is not there any more under the name that it was recorded with is left out: somebody took it away.
        """
        things = {thing.key: thing for thing in live(self.connection, keys)}
        keys = [key for key in keys if key in things and things[key].object == self.known.objects.get(key, things[key].object)]
        if not keys:
            return
        own = [key for key, name in self.known.routines.items() if name in self.again or name == routine]
        bound = qualified(self.connection, "bound_objects", _pairs(keys, "classes", "objects") | _pairs(own, "own_classes", "own_objects"))
        foreign = [words for classid, objid, words in bound if (classid, objid) not in {*own, *keys}]
        if foreign:
            raise self._refused(keys, routine, foreign, where, hint)
        order = [(classid, objid) for classid, objid, _ in bound]
        if lost := [suspect for suspect in self.spared if suspect.live and suspect.live.key in order]:
            raise conflict(lost, (), doing=f"in the way of {routine}, and ", hint=LOST)
        things |= {thing.key: thing for thing in live(self.connection, order)}
        for thing in (things[key] for key in order):
            self.kept[thing.object] = thing.traits["privileges"]
            self.connection.execute(f"DROP {thing.object}".encode())
        self.dropped |= dict.fromkeys(self.known.routines[key] for key in order if key not in keys)

    def _refused(self, keys: Sequence[Key], routine: str, foreign: Sequence[str], where: str | None, hint: str) -> DbkitError:
        names = ", ".join(thing.object for thing in live(self.connection, keys))
        return DbkitError(
            f"{routine}: {names} can't be dropped while something else depends on it:\n" + "\n".join(f"  {words}" for words in foreign),
            where=where,
            sqlstate="2BP01",
            hint=hint,
        )

    def _give_back(self, thing: Live) -> None:
        """Let a new object have the privileges of the one that it stands for: of the same signature, else of the same name."""
        twins = [other for other in self.kept if other == thing.object] or [
            other for other in self.kept if _name(other) == _name(thing.object)
        ]
        if not twins:
            return
        before, now = self.kept.pop(twins[0]), thing.traits["privileges"]
        people = {row[0] for row in self.connection.execute("SELECT quote_ident(rolname) FROM pg_roles UNION SELECT 'PUBLIC'").fetchall()}
        for privilege in now:
            if privilege not in before:
                self.connection.execute(f"REVOKE {_clause(privilege, thing)} FROM {privilege[2]}".encode())
        for privilege in before:
            if privilege not in now and privilege[2] in people:
                option = " WITH GRANT OPTION" if privilege[3] else ""
                self.connection.execute(f"GRANT {_clause(privilege, thing)} TO {privilege[2]}{option}".encode())


def _kind(thing: str) -> str:
    return next(kind for kind in ("FUNCTION", "PROCEDURE", "MATERIALIZED VIEW", "VIEW", "TRIGGER") if thing.startswith(f"{kind} "))


def _name(thing: str) -> str:
    """Return an object's name without its kind and its arguments."""
    return thing.removeprefix(_kind(thing)).partition("(")[0]


def _clause(privilege: Privilege, thing: Live) -> str:
    kind = _kind(thing.object)
    column = f" ({privilege[1]})" if privilege[1] else ""
    return f"{privilege[0]}{column} ON {kind if '(' in thing.object else 'TABLE'}{thing.object.removeprefix(kind)}"


def _pairs(keys: Sequence[Key], classes: str, objects: str) -> dict[str, list[int]]:
    return {classes: [key[0] for key in keys], objects: [key[1] for key in keys]}


def _send(connection: Connection, routine: Routine, statement: Statement) -> None:
    """Send one statement at the line where it stands, so that errors name that line."""
    text = "\n" * (statement.line - 1) + statement.text
    try:
        send(connection, text)
    except ScriptError as exc:
        raise explain(exc, text, routine.script, doing=f"routine {routine.id} failed") from exc.cause
