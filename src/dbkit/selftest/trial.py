"""One small project and its database: for one fault, or for one history."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import dbkit
from dbkit.postgres import journal
from dbkit.postgres.roles import prepare_cluster
from dbkit.project.manifest import ROLE_KINDS, find_project
from dbkit.selftest.arena import CANARY, PROJECT, Arena
from dbkit.selftest.fault import NotSurvivedError, expect
from dbkit.selftest.gate import Gate

if TYPE_CHECKING:
    import psycopg

T = TypeVar("T")
PATIENCE = 120.0  # seconds after which something is taken for stuck
SERVICE = "main"


def until(what: Callable[[], T], waited_for: str, *, seconds: float = PATIENCE) -> T:
    """Ask again and again until the answer is true. Raises NotSurvivedError at the deadline."""
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        if time.monotonic() > deadline:
            raise NotSurvivedError(f"after {seconds:.0f} s still not: {waited_for}")
        time.sleep(0.02)
    return answer


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of the program left behind."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@dataclass
class Trial:
    """A folder with a manifest of one service, `main`, and a database of its own."""

    arena: Arena
    root: Path
    database: str
    services: tuple[str, ...] = (SERVICE,)
    _children: list[subprocess.Popen[str]] = field(default_factory=list)
    _connections: list[psycopg.Connection[tuple[Any, ...]]] = field(default_factory=list)

    # files

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a file of the project, its indentation taken off."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).lstrip("\n").encode())
        return target

    def migration(self, stem: str, up: str | bytes, down: str | None = "SELECT 1;\n") -> Path:
        """Write a migration, and its rollback unless `down` is None."""
        if down is not None:
            self.write(f"migrations/{SERVICE}/{stem}.rollback.sql", down)
        return self.write(f"migrations/{SERVICE}/{stem}.sql", up)

    def remove(self, stem: str) -> None:
        """Remove a migration's files."""
        for path in (self.root / f"migrations/{SERVICE}").glob(f"{stem}.*"):
            path.unlink()

    def table(self, stem: str) -> Path:
        """Write a migration that makes a table, named as the migration without its number."""
        name = stem.partition("_")[2]
        return self.migration(stem, f"CREATE TABLE main.{name} (i integer);\n", f"DROP TABLE main.{name};\n")

    def routine(self, name: str, text: str) -> Path:
        return self.write(f"schemas/{SERVICE}/{name}.sql", text)

    def manifest(self, more: str = "", url: str | None = None) -> None:
        """Write dbkit.toml; its only environment is the trial's database. Whoever waits at a gate is not to be timed out."""
        where = url or self.arena.conninfo(self.database, f"{PROJECT}_{SERVICE}_migrator")
        services = "".join(f'[services.{name}]\nshared = []\ndatabase = "{self.database}"\n' for name in self.services)
        text = f'[project]\nname = "{PROJECT}"\ndefault_environment = "here"\n{services}[environments.here]\nurl = {json.dumps(where)}\n'
        self.write("dbkit.toml", text + more + ("" if "[migrate]" in more else '[migrate]\nlock_timeout = "90s"\n'))

    # the program

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a run sees: none of the person who started the selftest."""
        return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "PYTHONPATH": str(Path(dbkit.__file__).parents[1])}

    def run(self, *arguments: str, code: int | None = None, stdin: str = "") -> Outcome:
        """Run dbkit in the project's folder; `code` is the exit code that must come of it."""
        child = self.start(*arguments)
        return self.ended(child, code=code, stdin=stdin)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start dbkit, in a process group of its own, and go on."""
        child = subprocess.Popen(
            [sys.executable, "-m", "dbkit", *arguments],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._children.append(child)
        return child

    def ended(self, child: subprocess.Popen[str], *, code: int | None = None, stdin: str = "") -> Outcome:
        """Wait for a run's end."""
        try:
            out, err = child.communicate(stdin, timeout=PATIENCE)
        except subprocess.TimeoutExpired as exc:
            raise NotSurvivedError(f"`{_shown(child)}` still runs after {PATIENCE:.0f} s") from exc
        self.arena.said += [out, err]
        outcome = Outcome(child.returncode, out, err)
        if code is not None and outcome.code != code:
            raise NotSurvivedError(f"`{_shown(child)}` ended with {outcome.code}, not {code}: {outcome.text.strip()[-600:]}")
        if "Traceback" in outcome.err and "-vv" not in _shown(child):
            raise NotSurvivedError(f"a traceback: {outcome.err[-600:]}")
        return outcome

    def arguments(self, child: subprocess.Popen[str]) -> str:
        """Return the arguments of a process as others see them."""
        shown = subprocess.run(["/bin/ps", "-ww", "-o", "args=", "-p", str(child.pid)], capture_output=True, text=True, check=False)
        return shown.stdout

    def kill(self, child: subprocess.Popen[str]) -> None:
        """SIGKILL the run and all that it started."""
        os.killpg(child.pid, signal.SIGKILL)
        out, err = child.communicate()
        self.arena.said += [out, err]

    def refused(self, *arguments: str, where: str, says: str, code: int = 2) -> Outcome:
        """Run what must be refused, at this place and with these words, and change nothing."""
        before = self.everything()
        outcome = self.run(*(arguments or ("migrate",)), code=code)
        for part in (where, says):
            if part not in outcome.text:
                raise NotSurvivedError(f"refused without naming {part!r}: {outcome.text.strip()[-400:]}")
        expect(self.everything(), before, "what is in the database after it was refused")
        return outcome

    # the database

    def connect(self, role: str = "", **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """Connect in autocommit mode, as the superuser or as a role of the service; it is closed when the trial ends."""
        import psycopg

        name = f"{PROJECT}_{SERVICE}_{role}" if role else None
        connection = psycopg.connect(self.arena.conninfo(self.database, name), autocommit=True, **options)
        self._connections.append(connection)
        return connection

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Ask as the superuser; an empty list where the statement returns nothing."""
        with self.arena.connect(self.database) as connection:
            cursor = connection.execute(query.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, query: str, *parameters: object) -> Any:
        found = self.rows(query, *parameters)
        return found[0][0] if found else None

    def column(self, query: str, *parameters: object) -> list[Any]:
        return [row[0] for row in self.rows(query, *parameters)]

    def tables(self) -> set[str]:
        """Return the names of the service's tables and views, yoyo's left out."""
        query = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('main') AND relkind IN ('r', 'v', 'm', 'p')"
        return {name for name in self.column(query) if not name.startswith("_yoyo")}

    def journal(self, stem: str = "") -> list[tuple[str, int | None]]:
        """Return the events of a migration, or of all, with the statement that they are about."""
        query = "SELECT event, statement FROM dbkit.journal WHERE kind = 'migration' AND (%s = '' OR object = 'main/' || %s) ORDER BY id"
        return [(row[0], row[1]) for row in self.rows(query, stem, stem)]

    def applied(self) -> list[str]:
        """Return the migrations that went in, in that order, once for each time."""
        query = "SELECT split_part(object, '/', 2) FROM dbkit.journal WHERE event = 'applied' ORDER BY id"
        return self.column(query) if self.has_journal() else []

    def has_journal(self) -> bool:
        return bool(self.value("SELECT to_regclass('dbkit.journal') IS NOT NULL"))

    def states(self) -> dict[str, str]:
        """Return each migration's state as `dbkit status` tells it."""
        found = self.run("--format", "json", "status", code=0).document["services"][0]
        return {entry["id"].partition("/")[2]: entry["state"] for entry in found["migrations"]}

    def everything(self) -> tuple[Any, ...]:
        """Return what would show a change: the relations, functions and schemas that are no server's own, and the journal's length."""
        objects = self.column(
            "SELECT format('%s %s', relnamespace::regnamespace, relname) FROM pg_class WHERE oid >= 16384"
            " UNION ALL SELECT format('%s %s', pronamespace::regnamespace, proname) FROM pg_proc WHERE oid >= 16384 ORDER BY 1"
        )
        applied = self.value("SELECT count(*) FROM dbkit.journal WHERE event NOT IN ('failed')") if self.has_journal() else 0
        return objects, applied

    def sessions(self) -> list[int]:
        """Return the backends that serve a run of dbkit here."""
        return self.column("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'dbkit/%' AND datname = current_database()")

    def no_session(self) -> None:
        """Wait until the server has ended what a killed run left there."""
        until(lambda: not self.sessions(), "a dead run's sessions are ended by the server", seconds=5.0)

    def agree(self) -> None:
        """Raise unless journal, its chain, yoyo's table and what is applied say the same."""
        if not self.has_journal():
            return
        with self.arena.connect(self.database) as connection:
            expect(journal.broken_link(connection), None, "the first broken link of the journal's chain")
        for service in self.services:
            state = (
                "SELECT object FROM dbkit.state WHERE service = %s AND kind = 'migration' AND event IN ('applied', 'baselined', 'repaired')"
            )
            marked = self.column(f"SELECT '{service}/' || migration_id FROM {service}._yoyo_migration ORDER BY 1")
            expect(marked, sorted(self.column(state, service)), f"yoyo's marks of {service}, beside the journal")

    @contextmanager
    def gate(self) -> Iterator[Gate]:
        """Close a gate of this database; open it at the end."""
        with self.connect() as connection:
            gate = Gate(connection, self.rows)
            gate.close()
            yield gate
            if not connection.closed:
                gate.open()

    def leave(self) -> None:
        """End what still runs, and remove the database and the folder."""
        import psycopg

        for child in self._children:
            if child.poll() is None:
                self.kill(child)
        for connection in self._connections:
            connection.close()
        with contextlib.suppress(psycopg.OperationalError):  # a server that the fault has stopped takes it along
            self.arena.drop(self.database)
        shutil.rmtree(self.root, ignore_errors=True)


def _shown(child: subprocess.Popen[str]) -> str:
    """Return the command as a person types it."""
    return " ".join(["dbkit", *list(child.args)[3:]]) if isinstance(child.args, list) else ""


@contextmanager
def trial(arena: Arena, stem: str, services: tuple[str, ...] = (SERVICE,)) -> Iterator[Trial]:
    """Make a project and its database for the time of a fault."""
    database = arena.new_name(stem)
    made = Trial(arena, arena.folder / database, database, services)
    try:
        made.manifest()
        make_roles(arena, made)
        yield made
    finally:
        made.leave()


def make_roles(arena: Arena, made: Trial) -> None:
    """Make the roles, whose password is the canary, and the database."""
    project = find_project(made.root)
    with arena.guard:
        prepare_cluster(arena.conninfo("postgres"), project, list(made.services))
        with arena.connect("postgres") as connection:
            for service in made.services:
                for kind in ROLE_KINDS:
                    connection.execute(f"ALTER ROLE \"{project.role(service, kind)}\" PASSWORD '{CANARY}'".encode())
