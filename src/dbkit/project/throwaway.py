"""Folders for the time of a run; those of runs that were killed go when the next one begins."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

OWNER = "owner.lock"  # locked as long as the folder's process lives


@contextmanager
def throwaway_folder(base: Path, prefix: str, stop: Callable[[Path], None]) -> Iterator[Path]:
    """Make a folder below `base`; afterwards `stop` what runs in it, and remove it.

    The same is done first with each folder of that prefix whose process ended without.
    """
    base.mkdir(parents=True, exist_ok=True)
    for left in base.glob(f"{prefix}*"):
        with suppress(OSError), (left / OWNER).open("a") as owner:  # another user's, or just going
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(left, stop)
    home = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    draft = home / f"{OWNER}.draft"  # nobody may find the file before it is locked
    with draft.open("a") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        draft.rename(home / OWNER)
        try:
            yield home
        finally:
            _remove(home, stop)


def _remove(home: Path, stop: Callable[[Path], None]) -> None:
    stop(home)
    shutil.rmtree(home, ignore_errors=True)
