"""What the server's commands do, and where among their arguments the keys are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

# what two runs over the same data may answer differently
RANDOM = frozenset("time lastsave randomkey srandmember spop hrandfield zrandmember scan sscan hscan zscan".split())  # noqa: SIM905
# what answers with as much as there is
WHOLE = frozenset("keys hgetall hkeys hvals smembers sinter sunion sdiff sort sort_ro xrange xrevrange zunion zinter zdiff".split())  # noqa: SIM905
RANGES = frozenset(("lrange", "zrange", "zrevrange"))  # as WHOLE, from 0 to -1
CURSORS = frozenset(("scan", "sscan", "hscan", "zscan"))


@dataclass(frozen=True, slots=True)
class Command:
    """`last` is -1 where every argument from `first` on may be a key; keys behind a count of keys are not known."""

    writes: bool
    first: int
    last: int
    step: int


@lru_cache(maxsize=1)
def commands() -> dict[str, Command]:
    """Return what commands.txt says."""
    found = {}
    for line in (Path(__file__).parent / "commands.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            name, does, first, last, step = line.split()
            found[name] = Command(does == "writes", int(first), int(last), int(step))
    return found
