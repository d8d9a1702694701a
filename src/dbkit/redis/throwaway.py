"""Redis servers that live for the time of a test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbkit.project.state import Account
from dbkit.project.throwaway import throwaway_folder
from dbkit.redis import server as valkey


@contextmanager
def throwaway_redis(program: Path | None = None) -> Iterator[valkey.Server]:
    """Start a server in a folder of its own, the embedded Valkey or another program; remove both afterwards."""
    account = Account(None, os.geteuid(), os.getegid())
    program = program or valkey.find_program(account)

    def server_in(home: Path) -> valkey.Server:
        return valkey.Server(program, home / "data", home / "s", account)

    base = Path(tempfile.gettempdir())
    with throwaway_folder(base, "dbkit-redis-", account, lambda home: valkey.stop(server_in(home))) as home:
        server = server_in(home)
        valkey.start(server)
        yield server
