"""Which targets the last run finished, kept under .dbkit/last-run/: what --resume passes over without asking them."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dbkit.project.manifest import bare

if TYPE_CHECKING:
    from dbkit.migrate.plan import Sources
    from dbkit.project.target import Target


def release(sources: Sources, to: str | None) -> str:
    """Return a hash of what a run is about: a target that is done is done with these files, up to there."""
    digest = hashlib.sha256(repr(to).encode())
    for script in (*(m.script for m in sources.migrations), *(r.script for r in sources.routines)):
        digest.update(script.digest.encode())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Record:
    """A file with a line for each target that is done, written as it is, and what it was done with.

    It saves work and nothing hangs on it: where it can't be kept, --resume asks every target.
    """

    path: Path
    release: str

    def read(self) -> set[str]:
        """Return the targets that are done with this release."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except OSError:
            return set()
        return {name for release, _, name in (line.partition(" ") for line in lines) if release == self.release}

    def begin(self, done: set[str]) -> None:
        """Start anew, with what is done already."""
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text("".join(self._line(name) for name in sorted(done)), encoding="utf-8")

    def add(self, name: str) -> None:
        """Write that one more is done."""
        with suppress(OSError), self.path.open("a", encoding="utf-8") as file:
            file.write(self._line(name))

    def _line(self, name: str) -> str:
        return f"{self.release} {name}\n"


def record_of(target: Target, about: str) -> Record:
    """Return where the runs over the targets of a service are remembered."""
    return Record(target.project.root / ".dbkit" / "last-run" / target.environment / bare(target.service), about)
