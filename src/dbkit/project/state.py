"""Where an embedded environment keeps its data, its sockets and whom its servers run as."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dbkit.errors import DbkitError

ROOT_HOME = Path("/var/lib/dbkit")
SOCKET_PATH_LIMIT = 107  # bytes that fit into sockaddr_un, on Linux; macOS has 103


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's user that a server runs as; None of it changes for ordinary users."""

    name: str | None
    uid: int
    gid: int

    def own(self, *paths: Path) -> None:
        """Make folders that belong to the account alone."""
        for path in paths:
            path.mkdir(parents=True, exist_ok=True)
            if self.name:
                os.chown(path, self.uid, self.gid)
            path.chmod(0o700)

    def run(self, command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        """Run a program as the account with a clean environment, from the root folder."""
        identity: dict[str, object] = {"user": self.uid, "group": self.gid, "extra_groups": []} if self.name else {}
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            command,
            **identity,
            cwd="/",
            env=environment,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            **{"capture_output": True, **options},
        )


def server_account() -> Account:
    """Return who runs the servers: this user, or for root `postgres`, else a system user `dbkit`."""
    if os.geteuid() != 0:
        return Account(None, os.geteuid(), os.getegid())
    for name in ("postgres", "dbkit"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    return _make_account()


def _make_account() -> Account:
    useradd = shutil.which("useradd") or "/usr/sbin/useradd"
    made = subprocess.run(
        [useradd, "--system", "--no-create-home", "--home-dir", str(ROOT_HOME), "--shell", "/usr/sbin/nologin", "dbkit"],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise DbkitError(
            "PostgreSQL refuses to run as root, and no user for it could be made",
            hint=f"run dbkit as an ordinary user, or make one: useradd --system dbkit ({made.stderr.strip()})",
        )
    entry = pwd.getpwnam("dbkit")
    return Account("dbkit", entry.pw_uid, entry.pw_gid)


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one embedded environment."""

    data: Path
    sockets: Path
    account: Account


def place(root: Path, environment: str) -> Place:
    """Return where the environment's servers live: in the project, or for root beside the binaries.

    The data of root's servers can't be in the project: the account they run as may not be
    able to enter it, and no permission of anybody's is changed.
    """
    account = server_account()
    key = hashlib.sha256(f"{root.resolve()}\0{environment}".encode()).hexdigest()[:10]
    if account.name:
        home = ROOT_HOME / f"{root.name}-{key}" / environment
        found = Place(home, ROOT_HOME / "run" / key, account)
    else:
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        base = Path(runtime) if runtime and os.access(runtime, os.W_OK) else Path(tempfile.gettempdir())
        found = Place(root / ".dbkit" / environment, base / f"dbkit-{account.uid}-{key}", account)
    check_socket(found.sockets / ".s.PGSQL.5432")
    return found


def check_socket(path: Path) -> None:
    """Refuse a socket whose path the operating system can't hold."""
    length = len(os.fsencode(path))
    if length > SOCKET_PATH_LIMIT:
        raise DbkitError(
            f"the socket path is too long: {path} has {length} bytes, {SOCKET_PATH_LIMIT} are possible",
            hint="set TMPDIR (or XDG_RUNTIME_DIR) to a shorter folder",
        )
