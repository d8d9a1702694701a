"""The PostgreSQL server of an embedded environment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbkit.postgres import server as pg
from dbkit.project import lease
from dbkit.project.manifest import Environment
from dbkit.project.state import place


def embedded_server(root: Path, environment: str, settings: Environment) -> pg.Server:
    """Return the server that the environment's PostgreSQL services share."""
    where = place(root, environment)
    binaries = pg.find_binaries(settings.postgres, settings.postgres_bin, where.account)
    return pg.Server(
        binaries=binaries,
        data=where.data / f"postgres-{binaries.major}",
        sockets=where.sockets,
        account=where.account,
        settings=(("max_connections", "300"),),
    )


@contextmanager
def running_server(server: pg.Server) -> Iterator[pg.Server]:
    """Hold the server for the time of a command; start it where it is down."""
    with lease.lease(_folder(server), start=lambda: _start(server), stop=lambda: pg.stop(server)):
        yield server


def keep(server: pg.Server) -> None:
    """Leave the server running after the command."""
    lease.keep(_folder(server))


def down(server: pg.Server) -> bool:
    """Stop the server; return False while another command uses it."""
    return lease.release(_folder(server), lambda: pg.stop(server))


def _start(server: pg.Server) -> None:
    pg.start(server)


def _folder(server: pg.Server) -> Path:
    return server.data.with_name(server.data.name + ".lease")
