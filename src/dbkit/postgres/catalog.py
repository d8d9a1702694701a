"""What is in some schemas, one canonical definition an object, and a hash over all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbkit.postgres.objects import RELATIONS, Key, Object, privileges
from dbkit.postgres.partitions import Partition, folded
from dbkit.postgres.queries import sql

if TYPE_CHECKING:
    import psycopg

VERSION = 2
INVISIBLE = ("_yoyo_migration", "_yoyo_log", "_yoyo_version", "yoyo_lock")
PARTS = ("schemas", "relations", "columns", "constraints", "bound", "functions", "types", "others", "search")
ATTRDEF, EXTENSION = 2604, 3079  # the oids of pg_attrdef and pg_extension


@dataclass(frozen=True, slots=True)
class Catalog:
    """The objects of some schemas, by key. `needs` has, where it was read, what each object needs, by its key.

    A column's default has a key of its own there, ("default", schema, table, column), and an extension has no schema in it.
    """

    major: int
    objects: Mapping[Key, Object]
    partitions: tuple[Partition, ...] = ()
    needs: Mapping[Key, frozenset[Key]] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """A hash of everything, after its own version and the server's major."""
        lines = [json.dumps([*key, _plain(thing.details)], sort_keys=True) for key, thing in self.objects.items()]
        lines += {part.shape for part in self.partitions if part.deviations}
        digest = hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
        return f"{VERSION}:{self.major}:{digest}"

    def parts(self, schema: str, relation: str, kind: str) -> list[Object]:
        """Return the parts of a relation that are of one kind, columns in their order."""
        found = [thing for thing in self.objects.values() if (thing.kind, thing.schema, thing.relation) == (kind, schema, relation)]
        return sorted(found, key=lambda thing: (thing.address[2], thing.name))


def _plain(details: Mapping[str, Any]) -> dict[str, Any]:
    return {name: sorted(map(str, value)) if name == "privileges" else value for name, value in details.items()}


def read(connection: psycopg.Connection[tuple[Any, ...]], schemas: Sequence[str], *, needs: bool = False) -> Catalog:
    """Read the schemas in one query, as any role, on a replica too; with `needs` in another one what needs what.

    A question beforehand leaves out of it what there is none of: planning it costs more than running it.

    The server itself takes ACCESS SHARE for a moment on what views, rules and bound bodies read; nothing else is locked.
    """
    names = {"schemas": list(schemas), "invisible": list(INVISIBLE)}
    with connection.transaction():
        (before,) = connection.execute("SELECT current_setting('search_path')").fetchone() or ("",)
        connection.execute("SELECT set_config('search_path', '', true)")  # so that every name is qualified
        absent = {part for (part,) in connection.execute(sql("catalog_absent").encode(), names).fetchall()}
        query = "\nUNION ALL\n".join(sql(f"catalog_{part}") for part in PARTS if part not in absent)
        rows = connection.execute(query.encode(), names).fetchall()
        pairs = connection.execute(sql("catalog_dependencies").encode()).fetchall() if needs else []
        extensions = connection.execute("SELECT oid::bigint, extname::text FROM pg_extension").fetchall() if needs else []
        connection.execute("SELECT set_config('search_path', %s, true)", [before])
    found = [Object(kind, schema, relation, name, _canonical(details), tuple(at)) for kind, schema, relation, name, details, at in rows]
    objects, partitions = folded(found)
    return Catalog(connection.info.server_version // 10000, objects, partitions, _needs(pairs, extensions, objects, partitions))


def _needs(
    pairs: Iterable[tuple[list[int], list[int]]],
    extensions: Iterable[tuple[int, str]],
    objects: Mapping[Key, Object],
    partitions: Sequence[Partition],
) -> Mapping[Key, frozenset[Key]]:
    """Translate addresses into keys. What a partition needs or is needed for, its parent is."""
    keys = {thing.address: key for key, thing in objects.items()}
    keys |= {(EXTENSION, oid, 0): ("extension", "", "", name) for oid, name in extensions}
    keys |= {(ATTRDEF, *thing.address[1:]): ("default", *key[1:]) for key, thing in objects.items() if key[0] == "column"}
    for part in partitions:
        keys |= {thing.address: part.parent.key for thing in (part.table, *part.parts)}
    relations = {key[1:2] + key[3:]: key for key in objects if key[0] in RELATIONS}
    found: dict[Key, set[Key]] = {key: {relations[key[1:3]]} for key in objects if key[2] and key[1:3] in relations}
    for needing, needed in pairs:
        one, other = keys.get(tuple(needing)), keys.get(tuple(needed))
        if one and other and one != other and one != relations.get(other[1:3]):
            found.setdefault(one, set()).add(other)
    return {key: frozenset(others) for key, others in found.items()}


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
