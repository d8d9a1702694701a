"""What is in some schemas, one canonical definition an object, and a hash over all of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbkit.postgres.queries import sql

if TYPE_CHECKING:
    import psycopg

VERSION = 1
INVISIBLE = ("_yoyo_migration", "_yoyo_log", "_yoyo_version", "yoyo_lock")
PARTS = ("schemas", "relations", "columns", "constraints", "bound", "functions", "types", "others")
PRIVILEGES = {
    "r": "SELECT",
    "w": "UPDATE",
    "a": "INSERT",
    "d": "DELETE",
    "D": "TRUNCATE",
    "x": "REFERENCES",
    "t": "TRIGGER",
    "X": "EXECUTE",
    "U": "USAGE",
    "C": "CREATE",
    "m": "MAINTAIN",
}
# a table's own: its partitions' are other ones, or none
OF_THE_PARENT = frozenset({"partitioned_by", "partition_of", "comment", "tablespace", "access_method"})


@dataclass(frozen=True, slots=True)
class Privilege:
    """What a role may do with an object; `PUBLIC` stands for everybody."""

    grantee: str
    name: str
    grantable: bool

    def __str__(self) -> str:
        return f"{self.name} to {self.grantee}{' with grant option' if self.grantable else ''}"


@dataclass(frozen=True, slots=True)
class Object:
    """One object: `relation` is the table or view that it is part of, `details` its properties by name."""

    kind: str
    schema: str
    relation: str | None
    name: str
    details: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.kind, self.schema, self.relation or "", self.name

    @property
    def shown(self) -> str:
        """The name as people write it: schema.table.column."""
        if self.kind in {"schema", "event trigger", "publication", "extension", "cast"}:
            return self.name
        return ".".join(filter(None, (self.schema, self.relation, self.name)))


@dataclass(frozen=True, slots=True)
class Catalog:
    """The objects of some schemas, by key. `partitions` are those that differ from their parent."""

    major: int
    objects: Mapping[tuple[str, str, str, str], Object]
    partitions: tuple[Object, ...]

    @property
    def fingerprint(self) -> str:
        """A hash of everything, after its own version and the server's major."""
        lines = [json.dumps([*key, _plain(thing.details)], sort_keys=True) for key, thing in self.objects.items()]
        lines += {
            json.dumps([thing.kind, thing.schema, thing.relation, _plain(thing.details)], sort_keys=True) for thing in self.partitions
        }
        digest = hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
        return f"{VERSION}:{self.major}:{digest}"


def _plain(details: Mapping[str, Any]) -> dict[str, Any]:
    return {name: sorted(map(str, value)) if name == "privileges" else value for name, value in details.items()}


def read(connection: psycopg.Connection[tuple[Any, ...]], schemas: Sequence[str]) -> Catalog:
    """Read the schemas in one query, as any role, on a replica too.

    The server itself takes ACCESS SHARE for a moment on what views, rules and bound bodies read; nothing else is locked.
    """
    query = "\nUNION ALL\n".join(sql(f"catalog_{part}") for part in PARTS)
    with connection.transaction():
        (before,) = connection.execute("SELECT current_setting('search_path')").fetchone() or ("",)
        connection.execute("SELECT set_config('search_path', '', true)")  # so that every name is qualified
        rows = connection.execute(query.encode(), {"schemas": list(schemas), "invisible": list(INVISIBLE)}).fetchall()
        connection.execute("SELECT set_config('search_path', %s, true)", [before])
    found = [Object(kind, schema, relation, name, _canonical(details)) for kind, schema, relation, name, details in rows]
    return _folded(connection.info.server_version // 10000, found)


def fingerprint(connection: psycopg.Connection[tuple[Any, ...]], schemas: Sequence[str]) -> str:
    """Return the hash of the schemas' catalog; comparable with one of the same version and major alone."""
    return read(connection, schemas).fingerprint


def comparable(one: str, other: str) -> bool:
    """Say whether two fingerprints are of the same version and the same major."""
    return one.split(":")[:2] == other.split(":")[:2]


def schemas_of(connection: psycopg.Connection[tuple[Any, ...]], schema: str, owner: str) -> list[str]:
    """Return the service's schema and the others that belong to its owner; one with yoyo's tables is another target's."""
    rows = connection.execute(sql("schemas_of").encode(), {"schema": schema, "owner": owner}).fetchall()
    return [row[0] for row in rows]


def _canonical(details: dict[str, Any]) -> dict[str, Any]:
    if "privileges" in details:
        details["privileges"] = frozenset(privileges(details["privileges"]))
    return details


def privileges(items: Iterable[str]) -> Iterable[Privilege]:
    """Take access control items (`role=arw*/grantor`) apart."""
    for item in items:
        match = re.match(r'("(?:[^"]|"")*"|[^=]*)=([A-Za-z*]*)/', item)
        if match:
            grantee = match[1].strip('"').replace('""', '"') or "PUBLIC"
            for letter, grantable in re.findall(r"([A-Za-z])(\*?)", match[2]):
                yield Privilege(grantee, PRIVILEGES.get(letter, letter), bool(grantable))


def _folded(major: int, found: list[Object]) -> Catalog:
    """Compare each partition with its parent, and keep of it what differs."""
    parents = {f"{thing.schema}.{thing.name}": str(thing.details["partition_of"]) for thing in found if "partition_of" in thing.details}
    tables = {f"{thing.schema}.{thing.name}": thing for thing in found if thing.kind in {"table", "foreign table"}}
    parts: dict[str, dict[tuple[str, str], Mapping[str, Any]]] = {}
    for thing in found:
        table = f"{thing.schema}.{thing.relation}"
        if thing.relation and table in tables:
            parts.setdefault(table, {})[thing.kind, thing.name] = thing.details
    objects = {
        thing.key: thing
        for thing in found
        if f"{thing.schema}.{thing.relation or thing.name}" not in parents or (not thing.relation and thing.kind != "table")
    }
    partitions = [
        difference
        for name, parent in parents.items()
        if parent in tables and (difference := _deviation(tables[name], tables[parent], parts.get(name, {}), parts.get(parent, {})))
    ]
    return Catalog(major, objects, tuple(sorted(partitions, key=lambda thing: thing.shown)))


def _deviation(
    child: Object, parent: Object, own: Mapping[tuple[str, str], Mapping[str, Any]], due: Mapping[tuple[str, str], Mapping[str, Any]]
) -> Object | None:
    details: dict[str, Any] = {}
    for name in sorted({*child.details, *parent.details} - OF_THE_PARENT):
        if child.details.get(name) != parent.details.get(name):
            details[name] = _text(child.details.get(name))
    for kind, name in sorted({*own, *due}):
        mine, theirs = _comparable_part(own.get((kind, name))), _comparable_part(due.get((kind, name)))
        if mine != theirs:
            details[f"{kind} {name}"] = _text(mine)
    return Object("partition", parent.schema, parent.name, child.name, details) if details else None


def _comparable_part(details: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Leave out what a partition never takes from its parent, or can't have."""
    if details is None:
        return None
    return {
        name: value
        for name, value in details.items()
        if name not in {"comment", "of", "clustered", "tablespace", "identity", "privileges", "statistics"}
    }


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, frozenset):
        return ", ".join(sorted(map(str, value)))
    return json.dumps(value, sort_keys=True, default=str)
