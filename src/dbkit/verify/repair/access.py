"""Owners, comments and privileges, of whatever kind of object."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dbkit.postgres.objects import Object, Privilege
from dbkit.verify.repair.names import literal, named, qualified, quoted, relation
from dbkit.verify.repair.step import Sides, Step, When

GRANTED_ON = {
    **dict.fromkeys(("table", "view", "materialized view", "foreign table"), "TABLE"),
    **dict.fromkeys(("function", "aggregate"), "FUNCTION"),
    **dict.fromkeys(("enum", "range", "composite", "domain"), "TYPE"),
    "procedure": "PROCEDURE",
    "sequence": "SEQUENCE",
    "schema": "SCHEMA",
    "server": "FOREIGN SERVER",
}
DEFAULTS = {"r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS"}
LETTERS = {"TABLE": "r", "SEQUENCE": "S", "FUNCTION": "f", "PROCEDURE": "f", "TYPE": "T", "SCHEMA": "n", "FOREIGN SERVER": "server"}
# what its owner and PUBLIC may do with a new object
OWN = {
    "r": ("INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"),
    "S": ("SELECT", "UPDATE", "USAGE"),
    "n": ("USAGE", "CREATE"),
    "f": ("EXECUTE",),
    "T": ("USAGE",),
    "server": ("USAGE",),
}
OPEN = {"f": "EXECUTE", "T": "USAGE"}


def owner(thing: Object, when: When = When.SESSION) -> list[Step]:
    """Give the object to whom it should belong; a sequence that a column owns goes with its table."""
    if thing.details.get("owned_by"):
        return []
    return [Step(f"ALTER {named(thing)} OWNER TO {quoted(thing.details['owner'])}", when=when)]


def comment(thing: Object) -> Step:
    """Write the comment, or take it away."""
    return Step(f"COMMENT ON {named(thing)} IS {literal(thing.details['comment']) if thing.details.get('comment') else 'NULL'}")


def of_new(thing: Object, sides: Sides) -> list[Step]:
    """Return what a new object needs after its CREATE: owner, privileges, comment."""
    steps = []
    belongs = thing.details.get("owner", sides.owner)
    if "privileges" in thing.details and thing.kind != "column":
        steps += privileges(thing, thing.details["privileges"], _at_first(thing, sides), sides)
    elif thing.details.get("privileges"):
        steps += privileges(thing, thing.details["privileges"], frozenset(), sides)
    if thing.details.get("comment"):
        steps.append(comment(thing))
    return steps + (owner(thing, When.AFTERWARDS) if belongs != sides.owner else [])


def _at_first(thing: Object, sides: Sides) -> frozenset[Privilege]:
    """Return the privileges that a new object of the owner's has: the server's, and the default ones of its schema."""
    letter = LETTERS[GRANTED_ON[thing.kind]]
    built_in = _built_in(letter, thing.details["owner"], sides)
    name = f"{sides.owner} {letter}"
    everywhere = sides.expected.objects.get(("default privileges", "", "", name))
    here = sides.expected.objects.get(("default privileges", thing.schema, "", name))
    return frozenset((everywhere.details["privileges"] if everywhere else built_in) | (here.details["privileges"] if here else frozenset()))


def privileges(thing: Object, due: Iterable[Privilege], there: Iterable[Privilege], sides: Sides) -> list[Step]:
    """Return the REVOKE and GRANT statements that lead from some privileges to others."""
    where = _granted_on(thing)
    steps = [Step(text) for text in _statements(frozenset(due), frozenset(there), where, thing)]
    if any(step.sql.startswith("REVOKE") for step in steps) and thing.kind in {"table", "view", "materialized view", "foreign table"}:
        # a REVOKE on the table takes the columns' privileges along
        for column in sides.expected.parts(thing.schema, thing.name, "column"):
            steps += privileges(column, column.details.get("privileges", ()), (), sides)
    return steps


def inherited(there: Iterable[Privilege], before: str, now: str) -> frozenset[Privilege]:
    """Return the privileges as they are when the object went from one owner to another."""
    return frozenset(replace(p, grantee=now) if p.grantee == before else p for p in there)


def _granted_on(thing: Object) -> str:
    if thing.kind == "column":
        return f"TABLE {relation(thing)}"
    if thing.kind in {"schema", "server"}:
        return f"{GRANTED_ON[thing.kind]} {quoted(thing.name)}"
    return f"{GRANTED_ON[thing.kind]} {qualified(thing)}"


def _statements(due: frozenset[Privilege], there: frozenset[Privilege], where: str, thing: Object) -> list[str]:
    wanted, held = {(p.grantee, p.name) for p in due}, {(p.grantee, p.name) for p in there}
    column = f" ({quoted(thing.name)})" if thing.kind == "column" else ""
    lines = []
    for (grantee, grantable), names in _grouped(p for p in there - due if (p.grantee, p.name) not in wanted):
        lines.append(f"REVOKE {_listed(names, column)} ON {where} FROM {_role(grantee)}{' CASCADE' if grantable else ''}")
    for (grantee, _), names in _grouped(p for p in there - due if (p.grantee, p.name) in wanted and p.grantable):
        lines.append(f"REVOKE GRANT OPTION FOR {_listed(names, column)} ON {where} FROM {_role(grantee)} CASCADE")
    for (grantee, grantable), names in _grouped(p for p in due - there if p.grantable or (p.grantee, p.name) not in held):
        lines.append(f"GRANT {_listed(names, column)} ON {where} TO {_role(grantee)}{' WITH GRANT OPTION' if grantable else ''}")
    return lines


def _grouped(privileges: Iterable[Privilege]) -> list[tuple[tuple[str, bool], list[str]]]:
    groups: dict[tuple[str, bool], list[str]] = {}
    for privilege in sorted(privileges, key=str):
        groups.setdefault((privilege.grantee, privilege.grantable), []).append(privilege.name)
    return sorted(groups.items())


def _listed(names: list[str], column: str) -> str:
    return ", ".join(name + column for name in names)


def _role(grantee: str) -> str:
    return grantee if grantee == "PUBLIC" else quoted(grantee)


def _built_in(letter: str, owner: str, sides: Sides) -> frozenset[Privilege]:
    """Return what the server gives by itself with a new object of that kind."""
    names = OWN[letter] + (("MAINTAIN",) if letter == "r" and sides.found.major >= 17 else ())
    own = {Privilege(owner, name, grantable=False) for name in names}
    return frozenset(own | ({Privilege("PUBLIC", OPEN[letter], grantable=False)} if letter in OPEN else set()))


def create_default(thing: Object, sides: Sides) -> list[Step]:
    """Give the default privileges that are not there."""
    return _defaults(thing, thing.details["privileges"], _without_entry(thing, sides))


def alter_default(expected: Object, found: Object, name: str, sides: Sides) -> list[Step] | None:
    """Change default privileges."""
    del name, sides
    return _defaults(expected, expected.details["privileges"], found.details["privileges"])


def drop_default(thing: Object, sides: Sides) -> list[Step]:
    """Go back to what the server gives by itself."""
    return _defaults(thing, _without_entry(thing, sides), thing.details["privileges"])


def _without_entry(thing: Object, sides: Sides) -> frozenset[Privilege]:
    """Return what holds where nothing is said: in a schema nothing more, everywhere what the server gives by itself."""
    return frozenset() if thing.schema else _built_in(thing.details["on"], thing.details["role"], sides)


def _defaults(thing: Object, due: frozenset[Privilege], there: frozenset[Privilege]) -> list[Step]:
    place = f" IN SCHEMA {quoted(thing.schema)}" if thing.schema else ""
    head = f"ALTER DEFAULT PRIVILEGES FOR ROLE {quoted(thing.details['role'])}{place}"
    lines = _statements(due, there, DEFAULTS.get(thing.details["on"], thing.details["on"]), thing)
    return [Step(f"{head} {line}") for line in lines]
