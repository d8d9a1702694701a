"""What comes before what: by needs, and where they don't decide by kind and name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dbkit.postgres.catalog import Catalog
from dbkit.postgres.objects import Key
from dbkit.verify.repair.kinds import RANK


def needed_first(keys: Iterable[Key], needs: Mapping[Key, Iterable[Key]]) -> list[Key]:
    """Sort so that each comes after what it needs, also by way of others that are not among them; a circle is cut somewhere."""
    wanted = set(keys)
    done: dict[Key, None] = {}
    for start in sorted(wanted, key=rank):
        stack = [(start, iter(sorted(needs.get(start, ()), key=rank)))]
        open_ones = {start}
        while stack:
            key, rest = stack[-1]
            following = next((other for other in rest if other not in done and other not in open_ones), None)
            if following is None:
                done[key] = None
                stack.pop()
            else:
                open_ones.add(following)
                stack.append((following, iter(sorted(needs.get(following, ()), key=rank))))
    return [key for key in done if key in wanted]


def rank(key: Key) -> tuple[int, bool, Key]:
    """Order by kind; a foreign key after the keys."""
    return RANK.get(key[0], RANK["column"]), key[0] == "constraint" and "fk" in key[3], key


def needs_of_new(catalog: Catalog) -> dict[Key, set[Key]]:
    """Return what each object needs to be made: a table its columns' types and defaults, a sequence not the column that owns it."""
    needs = {key: set(others) for key, others in catalog.needs.items()}
    for key in list(needs):
        if key[0] == "default":
            needs.setdefault(("column", *key[1:]), set()).update(needs[key] - {("column", *key[1:])})
        if key[0] == "sequence":
            needs[key] = {other for other in needs[key] if other[0] != "column"}
    for key in catalog.objects:
        for table in (("table", key[1], "", key[2]), ("foreign table", key[1], "", key[2])):
            if key[0] == "column" and table in catalog.objects:
                needs.setdefault(table, set()).update(other for other in needs[key] if other != table and other[1:3] != key[1:3])
    return needs


def dependents(needs: Mapping[Key, Iterable[Key]]) -> dict[Key, set[Key]]:
    """Turn needs around."""
    found: dict[Key, set[Key]] = {}
    for key, others in needs.items():
        for other in others:
            found.setdefault(other, set()).add(key)
    return found
