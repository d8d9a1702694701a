"""Two catalogs, object by object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dbkit.postgres.catalog import Catalog
from dbkit.postgres.objects import Key, Object, Privilege
from dbkit.postgres.partitions import Partition
from dbkit.verify.repair import Step, deviating, inherited, whole


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that is not as expected; `details` has (expected, found) of each property that differs.

    What is missing or unexpected together with its table stands for itself no more: the table is the difference.
    `repair` has the statements that put it right, in order.
    """

    key: Key
    object: str
    kind: str
    verdict: Literal["missing", "unexpected", "changed"]
    details: Mapping[str, tuple[str, str]]
    made_by: str = ""
    repair: tuple[Step, ...] = ()


def compare(expected: Catalog, found: Catalog) -> list[Difference]:
    """Return what differs, by kind and name."""
    missing = {key for key in expected.objects if key not in found.objects}
    unexpected = {key for key in found.objects if key not in expected.objects}
    differences = []
    for key in sorted({*expected.objects, *found.objects}):
        due, there = expected.objects.get(key), found.objects.get(key)
        if whole(key, missing) != key or whole(key, unexpected) != key or _follows(key, expected, found):
            continue
        if due and there:
            details = _details(due, there)
            if details:
                differences.append(Difference(key, due.shown, due.kind, "changed", details))
        elif due:
            differences.append(Difference(key, due.shown, due.kind, "missing", {}))
        elif there:
            differences.append(Difference(key, there.shown, there.kind, "unexpected", {}))
    return differences + _partitions(expected, found)


def _follows(key: Key, expected: Catalog, found: Catalog) -> bool:
    """Say whether it is a column of a view whose query differs, or of a table with another parent: that says it all."""
    if key[0] != "column":
        return False
    table = ("table", key[1], "", key[2])
    if table in expected.objects and table in found.objects and not (key in expected.objects and key in found.objects):
        return bool(expected.objects[table].details.get("inherits") != found.objects[table].details.get("inherits"))
    views = [(kind, key[1], "", key[2]) for kind in ("view", "materialized view")]
    both = [(expected.objects[view], found.objects[view]) for view in views if view in expected.objects and view in found.objects]
    columns = (expected.objects.get(key), found.objects.get(key))
    return any(one.details["definition"] != other.details["definition"] for one, other in both) and _beside_type(columns)


def _beside_type(columns: tuple[Object | None, Object | None]) -> bool:
    """Say whether the columns differ in nothing but what a query decides."""
    one, other = columns
    return one is None or other is None or not ({*_details(one, other)} - {"type", "collation"})


def _partitions(expected: Catalog, found: Catalog) -> list[Difference]:
    """Return how partitions deviate from their parent, where they should not: once for all that do so in the same way."""
    alike: dict[Key, list[Partition]] = {}
    for part in deviating(expected, found):
        alike.setdefault(part.key, []).append(part)
    return [
        Difference(
            key,
            parts[0].table.shown + (f" and {len(parts) - 1} more" if len(parts) > 1 else ""),
            "partition",
            "changed",
            {name: ("as its parent", str(value)) for name, value in parts[0].deviations.items()},
        )
        for key, parts in alike.items()
    ]


def _details(expected: Object, found: Object) -> dict[str, tuple[str, str]]:
    there = dict(found.details)
    if "privileges" in there and "owner" in there and there["owner"] != expected.details.get("owner"):
        # the owner's privileges go with the object: that it has another owner says enough
        there["privileges"] = inherited(there["privileges"], there["owner"], expected.details["owner"])
    return {
        name: _shown(expected.details.get(name), there.get(name))
        for name in sorted({*expected.details, *there})
        if expected.details.get(name) != there.get(name)
    }


def _shown(expected: Any, found: Any) -> tuple[str, str]:
    """Write both sides; of privileges only those that the other side has not."""
    if isinstance(expected, frozenset) or isinstance(found, frozenset):
        due, there = frozenset(expected or ()), frozenset(found or ())
        return _listed(due - there), _listed(there - due)
    return _text(expected), _text(found)


def _listed(privileges: frozenset[Privilege]) -> str:
    """Write privileges, those of one grantee together."""
    groups: dict[str, list[str]] = {}
    for privilege in sorted(privileges, key=str):
        groups.setdefault(str(privilege).partition(" to ")[2], []).append(privilege.name)
    return "; ".join(f"{', '.join(names)} to {grantee}" for grantee, names in sorted(groups.items())) or "nothing more"


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=sorted)
