"""An object of the catalog, and who may do what with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

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
RELATIONS = frozenset({"table", "view", "materialized view", "foreign table"})
Key = tuple[str, str, str, str]
Address = tuple[int, ...]
# what has no schema, and goes by its name alone
UNQUALIFIED = frozenset({"schema", "event trigger", "publication", "extension", "cast", "server"})


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
    """One object: `relation` is the table or view that it is part of, `details` its properties by name.

    `address` is where its own server keeps it: class, oid, column. It says in which order columns came, and is never compared.
    """

    kind: str
    schema: str
    relation: str | None
    name: str
    details: Mapping[str, Any]
    address: Address = field(default=(0, 0, 0), compare=False, repr=False)

    @property
    def key(self) -> Key:
        return self.kind, self.schema, self.relation or "", self.name

    @property
    def shown(self) -> str:
        """The name as people write it: schema.table.column."""
        if self.kind in UNQUALIFIED:
            return self.name
        return ".".join(filter(None, (self.schema, self.relation, self.name)))


def privileges(items: Iterable[str]) -> Iterable[Privilege]:
    """Take access control items (`role=arw*/grantor`) apart."""
    for item in items:
        match = re.match(r'("(?:[^"]|"")*"|[^=]*)=([A-Za-z*]*)/', item)
        if match:
            grantee = match[1].strip('"').replace('""', '"') or "PUBLIC"
            for letter, grantable in re.findall(r"([A-Za-z])(\*?)", match[2]):
                yield Privilege(grantee, PRIVILEGES.get(letter, letter), bool(grantable))
