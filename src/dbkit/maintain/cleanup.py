"""Retention on Redis: every script that asks for it is called for each of its keys, on each primary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import redis

    from dbkit.redis.connect import Store


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What came of one script: keys that it was for, and its answers summed up by their names."""

    script: str
    keys: int
    sums: dict[str, int]


def clean(store: Store, client: redis.Redis, told: Callable[[str], None]) -> list[Cleaned]:
    """Run the scripts whose header has EACH, one after another.

    Nothing is kept of how far it is: such a script changes nothing the second time, so a run that died is begun again.
    """
    from dbkit.redis.scripts import load_scripts
    from dbkit.redis.sweep import Sweep

    project, service = store.target.project, store.service
    numbers = project.service(service).rules
    done = []
    for script in load_scripts(project, service):
        if not script.header.each:
            continue
        rules = tuple(str(numbers[rule]) for rule in script.header.rules)
        end = Sweep(client, script, rules, lambda _: None, partial(_tell, told, script.name), {}).run()
        done.append(Cleaned(script.name, end.found, end.sums))
    return done


def _tell(told: Callable[[str], None], name: str, found: int) -> None:
    told(f"{name}: {found} keys")


def count(store: Store, client: redis.Redis) -> list[Cleaned]:
    """Count the keys that each script would be called for; an estimate where there are many. Changes nothing."""
    from dbkit.redis.scripts import load_scripts
    from dbkit.redis.sweep import sample

    scripts = load_scripts(store.target.project, store.service)
    return [Cleaned(script.name, sample(client, script.header).matching, {}) for script in scripts if script.header.each]
