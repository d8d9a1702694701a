"""Redis servers that live for the time of a test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbkit.project.state import Account
from dbkit.redis import server as valkey


@contextmanager
def throwaway_redis(program: Path | None = None) -> Iterator[valkey.Server]:
    """Start a server in a folder of its own, the embedded Valkey or another program; remove both afterwards."""
    account = Account(None, os.geteuid(), os.getegid())
    with tempfile.TemporaryDirectory(prefix="dbkit-") as folder:
        server = valkey.Server(program or valkey.find_program(account), Path(folder) / "data", Path(folder) / "s", account)
        valkey.start(server)
        try:
            yield server
        finally:
            valkey.stop(server)
