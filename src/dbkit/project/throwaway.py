"""Folders for the time of a run; those of runs that were killed go when the next one begins."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dbkit.project.state import Account

OWNER = "owner.lock"  # locked as long as the folder's process lives


@contextmanager
def throwaway_folder(base: Path, prefix: str, account: Account, stop: Callable[[Path], None]) -> Iterator[Path]:
    """Make a folder of the account's below `base`; afterwards `stop` what runs in it, and remove it.

    The same is done first with each of the account's folders of that prefix whose process ended without.
    """
    base.mkdir(parents=True, exist_ok=True)
    for left in base.glob(f"{prefix}*"):
        with suppress(OSError):  # it is being made, in use, or just going
            if left.lstat().st_uid == account.uid:
                _remove_abandoned(left, stop)
    home = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    account.own(home)
    draft = home / f"{OWNER}.draft"  # nobody may find the file before it is locked
    with draft.open("a") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        draft.rename(home / OWNER)
        try:
            yield home
        finally:
            _remove(home, stop)


def _remove_abandoned(left: Path, stop: Callable[[Path], None]) -> None:
    """Stop and remove; raises OSError where the folder's process lives, or has removed it."""
    with (left / OWNER).open() as owner:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (left / OWNER).stat()  # or its process has just removed it
        _remove(left, stop)


def _remove(home: Path, stop: Callable[[Path], None]) -> None:
    stop(home)
    shutil.rmtree(home, ignore_errors=True)
