"""Retention on Redis: every script that asks for it is called for each of its keys, on each primary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import redis

    from dbkit.errors import DbkitError
    from dbkit.redis.connect import Store


NAMED = 3  # refusals that are kept with their text: a bad migration's would be millions


@dataclass(slots=True)
class Refused:
    """How many calls a script refused; what the first few said."""

    calls: int = 0
    said: list[str] = field(default_factory=list)

    def __call__(self, refusal: DbkitError) -> None:
        self.calls += 1
        if self.calls <= NAMED:
            self.said.append(refusal.message)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What came of one script: keys that it was for, its answers summed up by their names, and what it refused."""

    script: str
    keys: int
    sums: dict[str, int]
    refused: Refused = field(default_factory=Refused)


def clean(store: Store, client: redis.Redis, told: Callable[[str], None]) -> list[Cleaned]:
    """Run the scripts whose header has EACH, one after another.

    One bad key keeps nobody else's from being cleaned. Nothing is kept of how far it is: such a script
    changes nothing the second time, so a run that died is begun again.
    """
    from dbkit.redis.scripts import load_scripts
    from dbkit.redis.sweep import Sweep

    project, service = store.target.project, store.service
    numbers = project.service(service).rules
    done = []
    for script in load_scripts(project, service):
        if not script.header.each:
            continue
        refused = Refused()
        end = Sweep(client, script, script.rule_values(numbers), lambda _: None, partial(_tell, told, script.name), {}, refused).run()
        done.append(Cleaned(script.name, end.found, end.sums, refused))
    return done


def _tell(told: Callable[[str], None], name: str, found: int) -> None:
    told(f"{name}: {found} keys")


def count(store: Store, client: redis.Redis) -> list[Cleaned]:
    """Count the keys that each script would be called for; an estimate where there are many. Changes nothing."""
    from dbkit.redis.scripts import load_scripts
    from dbkit.redis.sweep import sample

    scripts = load_scripts(store.target.project, store.service)
    return [Cleaned(script.name, sample(client, script.header).matching, {}) for script in scripts if script.header.each]
