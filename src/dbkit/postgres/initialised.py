"""What initdb makes, kept for the next throw-away server: a copy takes a tenth of the second that initdb takes.

Such servers have one system identifier, as the copies of a base backup do.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

from dbkit.errors import DbkitError
from dbkit.postgres import server as pg
from dbkit.project.state import ROOT_HOME


def initialise_by_copy(server: pg.Server) -> None:
    """Make the server's data folder, of which there is none yet; by initdb itself where nothing can be kept."""
    try:
        kept = _kept(server)
        if not kept.exists():
            _keep(server, kept)
    except (OSError, RuntimeError):  # of which the latter: nobody has a home here
        pg.initialise(server)
        return
    done = server.account.run(["cp", "-R", str(kept), str(server.data)])
    if done.returncode:
        raise DbkitError(f"can't copy {kept}: {done.stderr.strip()}", hint=f"is there room in {server.data.parent}?")


def _keep(server: pg.Server, kept: Path) -> None:
    """Run initdb beside the place; what an older program at the same path made goes."""
    draft = kept.with_name(f".{os.getpid()}-{os.urandom(4).hex()}")
    pg.initialise(replace(server, data=draft))
    program = kept.name.rpartition("-")[0]
    for older in kept.parent.glob(f"{program}-*"):
        if older != kept:
            shutil.rmtree(older, ignore_errors=True)
    pg.publish(draft, kept)


def _kept(server: pg.Server) -> Path:
    """Name the folder by the program's place and by when it was made."""
    program = Path(server.binaries.program("postgres"))
    place = hashlib.sha256(os.fsencode(program)).hexdigest()[:10]
    name = f"{server.binaries.major}-{place}-{program.stat().st_mtime_ns}"
    if server.account.name:
        return ROOT_HOME / "initdb" / name
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dbkit" / name
