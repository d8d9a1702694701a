"""What can't be compared, since the throw-away server has not what it takes: neither drift nor no drift."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from dbkit.verify.touched import shown_name

if TYPE_CHECKING:
    from dbkit.postgres.catalog import Catalog
    from dbkit.postgres.objects import Key, Object
    from dbkit.verify.rebuild import Rebuild

# properties that a stand-in does not change
PLAIN = frozenset({"owner", "privileges", "comment", "not_null", "statistics", "enabled", "persistence", "options", "clustered", "valid"})


@dataclass(frozen=True, slots=True)
class Unknown:
    """An object, or a statement where it names none, and why nothing can be said of it."""

    object: str
    why: str


def ignored(expected: Catalog, found: Catalog, patterns: tuple[str, ...]) -> Catalog:
    """Return what is expected when whatever the patterns name is as it should be."""
    keys = {*expected.objects, *found.objects}
    shown = {key: (expected.objects.get(key) or found.objects[key]).shown for key in keys}
    return taken_over(expected, found, {key for key in keys if any(fnmatch(shown[key], pattern) for pattern in patterns)})


def taken_over(expected: Catalog, found: Catalog, keys: set[Key]) -> Catalog:
    """Return what is expected when these objects are as they are found."""
    objects = {key: thing for key, thing in expected.objects.items() if key not in keys}
    objects |= {key: found.objects[key] for key in keys if key in found.objects}
    needs = {**expected.needs, **{key: found.needs[key] for key in keys if key in found.needs}}
    return replace(expected, objects=objects, needs=needs)


def set_apart(found: Catalog, made: Rebuild) -> tuple[Catalog, list[Unknown]]:
    """Return what is expected of all that is known, and what is not known."""
    apart = _Apart(made.catalog, found, made)
    whole = dict(apart.left_out())
    whole |= apart.dependents(whole)
    expected = taken_over(made.catalog, found, set(whole))
    things = {**made.catalog.objects, **found.objects}
    unknown = {things[key].shown: why for key, why in whole.items() if not _is_part_of(key, set(whole))}
    objects = dict(expected.objects)
    for key, names, why in apart.stood_in(expected):
        objects[key] = _with(objects[key], found.objects[key], names)
        unknown[objects[key].shown] = why
    unknown |= apart.nameless(set(unknown))
    return replace(expected, objects=objects), [Unknown(name, why) for name, why in sorted(unknown.items())]


def _is_part_of(key: Key, keys: set[Key]) -> bool:
    return bool(key[2]) and any(other[1:4] == (key[1], "", key[2]) for other in keys)


def _with(expected: Object, found: Object, names: set[str]) -> Object:
    details: dict[str, Any] = {name: value for name, value in expected.details.items() if name not in names}
    return replace(expected, details=details | {name: found.details[name] for name in names if name in found.details})


@dataclass
class _Apart:
    expected: Catalog
    found: Catalog
    made: Rebuild
    seen: set[str] = field(default_factory=set)

    def left_out(self) -> Iterator[tuple[Key, str]]:
        """Yield the objects that the statements which were left out are about, and the parts of those that are not there."""
        reasons = {name: left.why for left in self.made.left_out for name in left.objects}
        there = {shown_name(thing) for thing in self.expected.objects.values()}
        for key, thing in {**self.expected.objects, **self.found.objects}.items():
            name = shown_name(thing)
            table = f"{thing.schema}.{thing.relation}" if thing.relation else ""
            about = name if name in reasons else table if table in reasons and table not in there else ""
            if about:
                self.seen.add(about)
                yield key, reasons[about]

    def dependents(self, unknown: dict[Key, str]) -> dict[Key, str]:
        """Return what is not in the rebuild because it needs something unknown."""
        found: dict[Key, str] = {}
        while True:
            more = {
                key: f"needs {self._shown(min(needed))}"
                for key, others in self.found.needs.items()
                if key in self.found.objects and key not in self.expected.objects and key not in found and key not in unknown
                if (needed := {other for other in others if other in found or other in unknown})
            }
            if not more:
                return found
            found |= more

    def stood_in(self, expected: Catalog) -> Iterator[tuple[Key, set[str], str]]:
        """Yield the properties that differ where a stand-in may be the reason."""
        for key, thing in expected.objects.items():
            there = self.found.objects.get(key)
            if there is None or there.details == thing.details:
                continue
            names = {name for name in {*thing.details, *there.details} if thing.details.get(name) != there.details.get(name)}
            stood_in = {other[3] for other in self._needs(key) if other[0] == "extension"} & self.made.stand_ins
            if stood_in and names - PLAIN:
                yield key, names - PLAIN, f"compared with a stand-in for {', '.join(sorted(stood_in))}"
            elif thing.kind == "collation" and thing.shown in self.made.collations and "definition" in names:
                yield key, {"definition"}, "compared with a stand-in"
            elif not self.made.lz4 and there.details.get("compression") == "lz4":
                yield key, {"compression"}, "the throw-away server has no lz4"

    def nameless(self, listed: set[str]) -> dict[str, str]:
        """Return the statements that are about nothing that either side has."""
        return {
            ", ".join(sorted(left.objects)) or left.where: left.why
            for left in self.made.left_out
            if not (left.objects & self.seen or left.objects & listed)
        }

    def _needs(self, key: Key) -> set[Key]:
        both = (self.found.needs.get(key, frozenset()), self.found.needs.get(("default", *key[1:]), frozenset()))
        return {*both[0], *both[1]}

    def _shown(self, key: Key) -> str:
        thing = self.found.objects.get(key) or self.expected.objects.get(key)
        return thing.shown if thing else key[3]
