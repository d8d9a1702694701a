"""Sharing a background server: whoever needs it starts it, whoever leaves last stops it."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dbkit.errors import DbkitError

WAIT_SECONDS = 60.0


@contextmanager
def lease(folder: Path, *, start: Callable[[], None], stop: Callable[[], None]) -> Iterator[None]:
    """Hold the server of `folder` for the time of a command.

    `start` must do nothing where the server runs already. The last command to leave stops
    it, unless `keep` asked for it to go on running.
    """
    folder.mkdir(parents=True, exist_ok=True)
    users = (folder / "users.lock").open("a+")
    try:
        with _exclusive(folder):
            fcntl.flock(users, fcntl.LOCK_SH)
            start()
        try:
            yield
        finally:
            with _exclusive(folder):
                if not kept(folder) and _last(users):
                    stop()
    finally:
        users.close()


def keep(folder: Path) -> None:
    """Leave the server running after this command (`dbkit up`)."""
    (folder / "keep").touch()


def kept(folder: Path) -> bool:
    """Say whether the server runs until `dbkit down`."""
    return (folder / "keep").exists()


def release(folder: Path, stop: Callable[[], None]) -> bool:
    """Stop the server now (`dbkit down`); return False while another command uses it."""
    if not folder.is_dir():
        return True
    (folder / "keep").unlink(missing_ok=True)
    with _exclusive(folder), (folder / "users.lock").open("a+") as users:
        if not _last(users):
            return False
        stop()
        return True


def _last(users: IO[str]) -> bool:
    """Say whether nobody else holds the shared lock, by taking it alone."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Let one command at a time start or stop the server."""
    deadline = time.monotonic() + WAIT_SECONDS
    with (folder / "start.lock").open("a+") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DbkitError(
                        f"another dbkit has been starting or stopping the server of {folder} for {WAIT_SECONDS:.0f} s",
                        hint="end that process, then try again",
                    ) from None
                time.sleep(0.05)
        yield
