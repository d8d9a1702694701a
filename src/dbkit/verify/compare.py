"""Two catalogs, object by object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dbkit.postgres.catalog import Catalog, Object


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that is not as expected; `details` has (expected, found) of each property that differs."""

    object: str
    kind: str
    verdict: Literal["missing", "unexpected", "changed"]
    details: Mapping[str, tuple[str, str]]
    made_by: str = ""


def compare(expected: Catalog, found: Catalog) -> list[Difference]:
    """Return what differs, by kind and name."""
    differences = [
        difference
        for key in sorted({*expected.objects, *found.objects})
        if (difference := _difference(expected.objects.get(key), found.objects.get(key)))
    ]
    return differences + _partitions(expected, found)


def _partitions(expected: Catalog, found: Catalog) -> list[Difference]:
    """Return how partitions deviate from their parent, where they should not: once for all that do so in the same way."""
    due = {_shape(part) for part in expected.partitions}
    alike: dict[str, list[Object]] = {}
    for part in found.partitions:
        if _shape(part) not in due:
            alike.setdefault(_shape(part), []).append(part)
    return [
        Difference(
            parts[0].shown + (f" and {len(parts) - 1} more" if len(parts) > 1 else ""),
            "partition",
            "changed",
            {name: ("as its parent", str(value)) for name, value in parts[0].details.items()},
        )
        for parts in alike.values()
    ]


def _shape(part: Object) -> str:
    """Describe how a partition deviates from its parent; its own name doesn't matter."""
    return json.dumps([part.schema, part.relation, dict(part.details)], sort_keys=True)


def _difference(expected: Object | None, found: Object | None) -> Difference | None:
    if expected is None and found is not None:
        return Difference(found.shown, found.kind, "unexpected", {})
    if found is None and expected is not None:
        return Difference(expected.shown, expected.kind, "missing", {})
    assert expected is not None  # noqa: S101 one of the two is there
    assert found is not None  # noqa: S101
    details = {
        name: _shown(expected.details.get(name), found.details.get(name))
        for name in sorted({*expected.details, *found.details})
        if expected.details.get(name) != found.details.get(name)
    }
    return Difference(expected.shown, expected.kind, "changed", details) if details else None


def _shown(expected: Any, found: Any) -> tuple[str, str]:
    """Write both sides; of privileges only those that the other side has not."""
    if isinstance(expected, frozenset) and isinstance(found, frozenset):
        return _listed(expected - found), _listed(found - expected)
    return _text(expected), _text(found)


def _listed(items: frozenset[Any]) -> str:
    return ", ".join(sorted(map(str, items))) or "nothing more"


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=sorted)
