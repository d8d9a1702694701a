"""The programs beside which dbkit is measured: how each is called, and what it reads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from dbkit.postgres.server import Server

BARE = """
import hashlib, pathlib, sys
import psycopg
with psycopg.connect(sys.argv[1], autocommit=True) as c:
    c.execute("CREATE TABLE IF NOT EXISTS ledger (name text PRIMARY KEY, hash text NOT NULL, at timestamptz DEFAULT now())")
    done = {row[0] for row in c.execute("SELECT name FROM ledger").fetchall()}
    for path in sorted(pathlib.Path(sys.argv[2]).glob("*.sql")):
        if path.stem in done or ".rollback" in path.name:
            continue
        text = path.read_bytes()
        with c.transaction():
            c.execute(text)
            c.execute("INSERT INTO ledger (name, hash) VALUES (%s, %s)", [path.stem, hashlib.sha256(text).hexdigest()])
"""
ALEMBIC_ENV = """
from alembic import context
from sqlalchemy import create_engine
with create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""
ALEMBIC_REVISION = """
from alembic import op
revision, down_revision = {name!r}, {before!r}
def upgrade():
    op.execute({up!r})
def downgrade():
    op.execute({down!r})
"""
MANIFEST = '[project]\nname = "bench"\n[services.main]\nshared = []\n'


def write_projects(root: Path, migrations: Mapping[str, tuple[str, str]]) -> None:
    """Write the migrations, (up, down) by stem, in the layout of each program."""
    folders = {name: root / name for name in ("migrations/main", "dbmate", "alembic/versions")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    (root / "dbkit.toml").write_text(MANIFEST)
    (root / "alembic" / "env.py").write_text(ALEMBIC_ENV)
    before = None
    for stem, (up, down) in migrations.items():
        (folders["migrations/main"] / f"{stem}.sql").write_text(up)
        (folders["migrations/main"] / f"{stem}.rollback.sql").write_text(down)
        (folders["dbmate"] / f"{stem}.sql").write_text(f"-- migrate:up\n{up}\n-- migrate:down\n{down}")
        revision = ALEMBIC_REVISION.format(name=stem, before=before, up=up, down=down)
        (folders["alembic/versions"] / f"{stem}.py").write_text(revision)
        before = stem
    files = sorted(path for path in folders["migrations/main"].iterdir() if ".rollback" not in path.name)
    (root / "all.sql").write_text("".join(f"BEGIN;\n\\i {path}\nCOMMIT;\n" for path in files))


def url(running: Server, database: str, scheme: str = "postgresql") -> str:
    return f"{scheme}:///{database}?host={running.sockets}&user=postgres"


def bare(root: Path, running: Server, database: str) -> list[str]:
    """One psycopg connection, a transaction a file, with a ledger row and a hash."""
    return [sys.executable, "-c", BARE, running.conninfo(database), str(root / "migrations" / "main")]


def dbkit(root: Path, running: Server, database: str, command: str = "migrate") -> list[str]:
    return [script("dbkit"), "--project", str(root), command, "main", "--url", url(running, database)]


def yoyo(root: Path, running: Server, database: str, command: str = "apply") -> list[str]:
    target = url(running, database, "postgresql+psycopg")
    return [script("yoyo"), command, "--batch", "--no-config-file", "--database", target, str(root / "migrations" / "main")]


def alembic(root: Path, running: Server, database: str, command: str = "upgrade") -> list[str]:
    ini = root / f"{database}.ini"
    target = url(running, database, "postgresql+psycopg").replace("%", "%%")
    ini.write_text(f"[alembic]\nscript_location = {root / 'alembic'}\nsqlalchemy.url = {target}\n")
    return [script("alembic"), "-c", str(ini), *([command, "head"] if command == "upgrade" else [command])]


def dbmate(root: Path, running: Server, database: str, command: str = "up") -> list[str]:
    target = f"postgres://postgres@/{database}?socket={running.sockets}"
    return [dbmate_program() or "dbmate", "--url", target, "--migrations-dir", str(root / "dbmate"), "--no-dump-schema", command]


def psql(root: Path, running: Server, database: str) -> list[str]:
    """The server's own client, a transaction a file: the floor, for it keeps no ledger."""
    program = running.binaries.program("psql")
    return [program, "-qX", "-v", "ON_ERROR_STOP=1", "-d", running.conninfo(database), "-f", str(root / "all.sql")]


Command = Callable[[Path, Server, str], list[str]]


@dataclass(frozen=True)
class Program:
    """How one program applies the migrations of a folder to a database, and how it says what is applied."""

    name: str
    apply: Command
    status: Command | None = None


def programs() -> list[Program]:
    """Return those that are here; `versions` says why another is not."""
    found = [
        Program("psql", psql),
        Program("bare", bare),
        Program("dbkit", dbkit, lambda *where: dbkit(*where, "status")),
    ]
    if dbmate_program():
        found.append(Program("dbmate", dbmate, lambda *where: dbmate(*where, "status")))
    if find_spec("alembic"):
        found.append(Program("alembic", alembic, lambda *where: alembic(*where, "current")))
    return [*found, Program("yoyo", yoyo, lambda *where: yoyo(*where, "list"))]


def script(name: str) -> str:
    """Return a program of this environment."""
    return str(Path(sys.executable).with_name(name))


def dbmate_program() -> str | None:
    """Return dbmate's binary, out of its npm package; it is kept in the user's temporary folder."""
    if found := shutil.which("dbmate"):
        return found
    folder = Path(tempfile.gettempdir()) / f"dbkit-bench-{os.getuid()}"
    if not list(folder.glob("node_modules/@dbmate/*/bin/dbmate")):
        if not shutil.which("npm"):
            return None
        subprocess.run(["npm", "install", "--silent", "--prefix", str(folder), "dbmate@2"], check=False, stdout=subprocess.DEVNULL)
    return next((str(path) for path in folder.glob("node_modules/@dbmate/*/bin/dbmate")), None)


def versions() -> dict[str, str]:
    """Return the version of each program, or `not run` with the reason."""
    found = {}
    for name in ("psycopg", "yoyo-migrations", "alembic"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not run: pip install -e '.[bench]'"
    program = dbmate_program()
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout if program else ""
    return found | {"dbmate": answer.split()[-1] if answer else "not run: neither it nor npm is here"}
