"""One run at a time: a lease in Redis that expires by itself, numbered, so that a run that lost it finds out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbkit.errors import LockedError

if TYPE_CHECKING:
    import redis

MILLISECONDS = 10_000  # after which a run that died is no longer waited for
TEXTS = Path(__file__).parent / "lua"


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease of the run that holds it. Its keys are of one slot, and none of a service's."""

    client: redis.Redis
    name: str
    who: str
    fence: int

    def hold(self, progress: Mapping[str, str] | None = None) -> None:
        """Renew the lease, and with it write how far the work is. Raises LockedError where another run has taken it."""
        fields = [part for pair in (progress or {}).items() for part in pair]
        keys = (_key(self.name, "lease"), _key(self.name, "fence"), _key(self.name, "progress"))
        if not self.client.eval(_text("hold_lease"), 3, *keys, MILLISECONDS, self.who, self.fence, *fields):
            raise LockedError(
                "another run has taken the lease meanwhile, and goes on with the work", hint="dbkit status shows how far it is"
            )

    def progress(self) -> dict[str, str]:
        """Return what `hold` wrote."""
        found: Any = self.client.hgetall(_key(self.name, "progress"))
        return dict(found)

    def forget(self) -> None:
        """Begin with no progress."""
        self.hold()
        self.client.delete(_key(self.name, "progress"))


@contextmanager
def lease(client: redis.Redis, name: str, who: str, wait: float, waiting: Callable[[str], None]) -> Iterator[Lease]:
    """Hold the lease for the time of a run; wait for one that another holds. Raises LockedError, naming the holder."""
    deadline, told = time.monotonic() + wait, False
    while True:
        answer: Any = client.eval(_text("take_lease"), 2, _key(name, "lease"), _key(name, "fence"), MILLISECONDS, who)
        if int(answer[0]):
            break
        holder = str(answer[1]).partition("|")[2]
        if time.monotonic() > deadline:
            raise LockedError(f"another run holds the lease: {holder}", hint="--lock-wait SECONDS says how long to wait")
        if not told:
            waiting(holder)
            told = True
        time.sleep(0.1)
    held = Lease(client, name, who, int(answer[0]))
    try:
        yield held
    finally:
        import redis as driver

        with suppress(driver.RedisError, OSError):  # it expires by itself
            client.eval(_text("end_lease"), 1, _key(name, "lease"), who, held.fence)


def _key(name: str, kind: str) -> str:
    return f"dbkit:{{{name}}}:{kind}"


def _text(script: str) -> str:
    return (TEXTS / f"{script}.lua").read_text(encoding="utf-8")
