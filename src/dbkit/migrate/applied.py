"""What a database has of a service's files; a baseline is in where all that it squashes is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dbkit.errors import ConfigurationError

if TYPE_CHECKING:
    from dbkit.postgres.journal import Entry
    from dbkit.source.files import Migration

IS_APPLIED = frozenset({"applied", "baselined", "repaired"})


def is_applied(migration: Migration, state: Mapping[str, Entry]) -> bool:
    """Say whether the last event of the migration leaves it in the database; a baseline is in where all that it squashes is."""
    return _is_in(migration.id, state) or is_recognised(migration, state)


def _is_in(object_id: str, state: Mapping[str, Entry]) -> bool:
    entry = state.get(object_id)
    return entry is not None and entry.event in IS_APPLIED


def is_recognised(migration: Migration, state: Mapping[str, Entry]) -> bool:
    """Say whether the database has everything that a baseline squashes, and no mark of the baseline yet."""
    return bool(migration.squashes) and not _is_in(migration.id, state) and all(_is_in(name, state) for name in migration.squashes)


def stand_ins(state: Mapping[str, Entry]) -> dict[str, frozenset[str]]:
    """Return the baselines that were marked and not run, each with the ids of the applied migrations that it stands for."""
    found: dict[str, frozenset[str]] = {}
    for entry in state.values():
        squashed = frozenset((entry.detail or {}).get("squashes", ()))
        if squashed and entry.event in IS_APPLIED and all(_is_in(name, state) for name in squashed):
            found[entry.object] = squashed
    return found


def refuse_part_of_a_baseline(files: list[Migration], state: Mapping[str, Entry]) -> None:
    """Raise where a database has some of what a baseline squashes: the files of the others are gone."""
    for migration in files:
        there = [name for name in migration.squashes if _is_in(name, state)]
        if not there or len(there) == len(migration.squashes) or _is_in(migration.id, state):
            continue
        lacking = [name for name in migration.squashes if name not in there]
        raise ConfigurationError(
            f"{migration.id} stands for {len(migration.squashes)} migrations, and this database has {len(there)} of them:"
            f" {lacking[0]} is not applied",
            where=f"{migration.path}:1",
            hint=f"deploy the last release that has {lacking[-1].partition('/')[2]} as a file, then this one",
        )


def accounted_for(files: list[Migration], state: Mapping[str, Entry]) -> set[str]:
    """Return the ids that have a file or are squashed by a baseline that has one, and baselines of which all that they squash has."""
    found = {name for migration in files for name in (migration.id, *migration.squashes)}
    baselines = stand_ins(state)
    for baseline in reversed(baselines):  # the newest first: it may squash an older one
        if baseline in found:
            found |= baselines[baseline]
        elif baselines[baseline] <= found:
            found.add(baseline)
    return found
