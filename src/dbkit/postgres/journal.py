"""dbkit's journal in the target, and yoyo's tables beside it."""

from __future__ import annotations

import getpass
import json
import os
import socket
import uuid
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dbkit import __version__
from dbkit.errors import DbkitError
from dbkit.postgres.lock import JOURNAL, SPACE
from dbkit.postgres.queries import sql
from dbkit.source.checksum import text_hash as hash_of

if TYPE_CHECKING:
    import psycopg

    from dbkit.project.target import Target

Mark = Literal["apply", "mark", "rollback"]
VERSION = 3
STEPS, DEFINITIONS = 2, 3  # the versions that brought them


def _os_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


@dataclass(frozen=True, slots=True)
class Run:
    """One invocation, as each row of the journal names it."""

    environment: str
    root: Path | None
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    os_user: str = field(default_factory=_os_user)
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)

    @property
    def git_commit(self) -> str | None:
        """The commit of the project's checkout at `root`; a run with nothing to do does not ask for it."""
        return git_commit(self.root) if self.root else None

    @property
    def as_fields(self) -> dict[str, str]:
        """Return who it is, as the journal of a Redis says it."""
        who = {"run": str(self.id), "environment": self.environment, "os_user": self.os_user, "host": self.host}
        return who | {"pid": str(self.pid), "git_commit": self.git_commit or ""}


@dataclass(frozen=True, slots=True)
class Entry:
    """The last event of a migration or routine."""

    object: str
    kind: str
    event: str
    at: Any
    id: int
    run: uuid.UUID
    text_hash: str | None
    checksum: str | None
    detail: dict[str, Any] | None


@lru_cache
def git_commit(root: Path) -> str | None:
    """Return the commit of the project's checkout, if it is one; git is asked once."""
    import subprocess

    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],  # noqa: S607 git is where PATH says
            capture_output=True,
            text=True,
            check=False,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def version(connection: psycopg.Connection[tuple[Any, ...]]) -> int:
    """Return the version of the journal in the database; 0 where there is none."""
    # asked of pg_class, since to_regclass answers from a cache that a wait for a lock doesn't refresh
    row = connection.execute(
        "SELECT count(*) FROM pg_class AS c INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE c.relname = 'version' AND n.nspname = 'dbkit'"
    ).fetchone()
    if not row or not row[0]:
        return 0
    import psycopg

    try:
        found = connection.execute("SELECT max(version) FROM dbkit.version").fetchone()
    except psycopg.errors.InsufficientPrivilege as exc:
        role = connection.info.user
        raise DbkitError(
            f"another service's journal is in this database, and {role} may not use it",
            sqlstate=exc.sqlstate,
            hint=f"as its owner: GRANT USAGE ON SCHEMA dbkit TO {role};\n"
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA dbkit TO {role};",
        ) from exc
    return int(found[0]) if found and found[0] else 0


def require(connection: psycopg.Connection[tuple[Any, ...]], target: Target) -> None:
    """Make the journal, or bring it up to this version, as the session's own role: a script, which runs as the owner, can't write it.

    The ops role, whose health checks read it, may see what is true now; the migrators of other services that live in this
    database share the journal.
    """
    from psycopg.sql import SQL, Identifier

    if version(connection) == VERSION:
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", [SPACE, JOURNAL])
        connection.execute("SET LOCAL ROLE NONE")
        found = version(connection)
        refuse_newer(found)
        _refuse_anothers(connection, found)
        for number in range(found + 1, VERSION + 1):
            connection.execute(sql(f"journal_{number}").encode())
        project = target.project
        others = [project.role(name, "migrator") for name in project.manifest.services if project.database(name) == target.database]
        roles = connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [[target.role("ops"), *others]]).fetchall()
        for (role,) in roles:
            name = Identifier(role)
            connection.execute(SQL("GRANT USAGE ON SCHEMA dbkit TO {}").format(name))
            connection.execute(SQL("GRANT SELECT ON dbkit.state TO {}").format(name))
            if role in others:
                connection.execute(SQL("GRANT SELECT ON dbkit.version TO {}").format(name))
                connection.execute(SQL("GRANT SELECT, INSERT ON dbkit.journal TO {}").format(name))
                connection.execute(
                    SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON dbkit.progress, dbkit.lease, dbkit.definition TO {}").format(name)
                )


def _refuse_anothers(connection: psycopg.Connection[tuple[Any, ...]], found: int) -> None:
    """Raise where an older journal belongs to a role that this session is no member of: another service's migrator."""
    if not found:
        return
    row = connection.execute(
        "SELECT pg_get_userbyid(nspowner), pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'dbkit'"
    ).fetchone()
    if row and not row[1]:
        raise DbkitError(
            f"the journal in this database is version {found}, and {row[0]}, whose it is, has to bring it up to version {VERSION}",
            hint="run `dbkit migrate` first for the service whose migrator that is",
        )


def make_yoyo_tables(connection: psycopg.Connection[tuple[Any, ...]], schema: str) -> None:
    """Make yoyo's tables in the service's schema, as the owner: `ON ALL TABLES IN SCHEMA` must go on working."""
    from psycopg.sql import Identifier

    connection.execute(sql("yoyo_tables").replace("{schema}", Identifier(schema).as_string(connection)).encode())


def refuse_newer(found: int) -> None:
    """Raise where a newer dbkit wrote the journal."""
    if found > VERSION:
        raise DbkitError(
            f"the journal in this database is version {found}; this dbkit {__version__} knows version {VERSION}",
            hint="upgrade dbkit: pip install --upgrade",
        )


def state(connection: psycopg.Connection[tuple[Any, ...]], service: str, found: int | None = None) -> dict[str, Entry]:
    """Return the last event of each of the service's migrations and routines, oldest first; `found` is the version, if known."""
    if (version(connection) if found is None else found) == 0:
        return {}
    rows = connection.execute(
        "SELECT object, kind, event, at, id, run, text_hash, checksum, detail FROM dbkit.state WHERE service = %s ORDER BY id",
        [service],
    ).fetchall()
    return {row[0]: Entry(*row) for row in rows}


def append(
    connection: psycopg.Connection[tuple[Any, ...]],
    run: Run,
    event: str,
    kind: str,
    object_id: str,
    *,
    rendered: str | None = None,
    rollback: str | None = None,
    text_hash: str | None = None,
    checksum: str | None = None,
    statement: int | None = None,
    detail: dict[str, Any] | None = None,
    fingerprint: str | None = None,
) -> None:
    """Add one row; in the caller's transaction, if it has one."""
    connection.execute(
        sql("append_event").encode(),
        {
            "run": run.id,
            "event": event,
            "kind": kind,
            "service": object_id.partition("/")[0],
            "object": object_id,
            "statement": statement,
            "rendered": rendered,
            "rollback": rollback,
            "text_hash": hash_of(rendered) if text_hash is None and rendered is not None else text_hash,
            "checksum": checksum,
            "detail": json.dumps(detail) if detail is not None else None,
            "os_user": run.os_user,
            "host": run.host,
            "pid": run.pid,
            "version": __version__,
            "commit": run.git_commit,
            "environment": run.environment,
            "fingerprint": fingerprint,
        },
    )


def happened(connection: psycopg.Connection[tuple[Any, ...]], run: Run, event: str, object_id: str) -> bool:
    """Say whether this run's event is in the journal."""
    query = "SELECT 1 FROM dbkit.journal WHERE run = %s AND event = %s AND object = %s"
    return connection.execute(query, [run.id, event, object_id]).fetchone() is not None


def mark(connection: psycopg.Connection[tuple[Any, ...]], run: Run, schema: str, name: str, operation: Mark) -> None:
    """Tell yoyo's tables: `apply` sets the mark, `mark` too where yoyo has not set it already, `rollback` takes it away."""
    query = sql(f"yoyo_{operation}").replace("{schema}", f'"{schema}"')  # a name by the manifest's rules
    digest = hash_of(name)  # yoyo's id of a migration is the hash of its file's stem
    connection.execute(query.encode(), {"hash": digest, "name": name, "user": run.os_user, "host": run.host})


def stored(connection: psycopg.Connection[tuple[Any, ...]], object_id: str) -> tuple[str | None, str | None]:
    """Return the rendered text and rollback of the last time the migration was applied."""
    row = connection.execute(
        "SELECT rendered, rollback FROM dbkit.journal WHERE object = %s AND event IN ('applied', 'baselined', 'repaired')"
        " ORDER BY id DESC LIMIT 1",
        [object_id],
    ).fetchone()
    return (row[0], row[1]) if row else (None, None)


def texts(connection: psycopg.Connection[tuple[Any, ...]], ids: list[int]) -> dict[str, str]:
    """Return the rendered text of the rows with these ids, by object, in the order of the ids."""
    if not ids:
        return {}
    rows = connection.execute("SELECT object, rendered FROM dbkit.journal WHERE id = ANY(%s) ORDER BY id", [ids]).fetchall()
    return {row[0]: row[1] for row in rows if row[1] is not None}


def deployed_before(connection: psycopg.Connection[tuple[Any, ...]], service: str, row: int) -> dict[str, tuple[str, str]]:
    """Return the phases and texts of the routines that were deployed when row `row` was written, by object."""
    rows = connection.execute(
        "SELECT DISTINCT ON (object) object, event, id, coalesce(detail ->> 'phase', 'after') FROM dbkit.journal"
        " WHERE service = %s AND kind = 'routine' AND id < %s ORDER BY object, id DESC",
        [service, row],
    ).fetchall()
    phases = {name: phase for name, event, _, phase in rows if event == "deployed"}
    found = texts(connection, [row for name, _, row, _ in rows if name in phases])
    return {name: (phases[name], text) for name, text in found.items()}


@dataclass(frozen=True, slots=True)
class Step:
    """A statement of a migration that runs one by one: intended, or done; `again` where a person said that it did not finish."""

    event: str
    number: int
    text: str | None
    checksum: str
    again: bool


def steps(connection: psycopg.Connection[tuple[Any, ...]], object_id: str, direction: str) -> list[Step]:
    """Return what was intended and done of a migration since it last went in, out, or was cleared."""
    rows = connection.execute(sql("steps").encode(), {"object": object_id, "direction": direction}).fetchall()
    return [Step(*row) for row in rows]


def applied_in(connection: psycopg.Connection[tuple[Any, ...]], service: str) -> dict[str, int]:
    """Return the row in which each migration last went in, by object."""
    if version(connection) == 0:
        return {}
    query = "SELECT object, max(id) FROM dbkit.journal WHERE service = %s AND event IN ('applied', 'baselined') GROUP BY object"
    return dict(connection.execute(query, [service]).fetchall())


def half_undone(connection: psycopg.Connection[tuple[Any, ...]], service: str, found: int) -> list[str]:
    """Return the migrations that a rollback has undone in part, from a journal of version `found`."""
    if found < STEPS:
        return []
    return [row[0] for row in connection.execute(sql("half_undone").encode(), {"service": service}).fetchall()]


def broken_link(connection: psycopg.Connection[tuple[Any, ...]]) -> tuple[int, str] | None:
    """Return the first row that is not as it was written, or whose predecessor is gone: its id and object; None where the chain holds."""
    row = connection.execute(sql("broken_link").encode()).fetchone()
    return (row[0], row[1]) if row else None


def unfinished(connection: psycopg.Connection[tuple[Any, ...]], service: str, found: int) -> bool:
    """Say whether the last run that changed something was ended before it wrote its own end; `found` is the journal's version."""
    if found < VERSION:
        return False
    query = (
        "SELECT event IN ('applied', 'rolled back', 'deployed', 'dropped') FROM dbkit.journal WHERE service = %s"
        " AND event IN ('applied', 'rolled back', 'deployed', 'dropped', 'finished') ORDER BY id DESC LIMIT 1"
    )
    row = connection.execute(query, [service]).fetchone()
    return bool(row and row[0])


def last_fingerprint(connection: psycopg.Connection[tuple[Any, ...]], service: str) -> str | None:
    """Return the catalog's fingerprint at the end of the last run that finished."""
    if version(connection) < STEPS:
        return None
    row = connection.execute(
        "SELECT fingerprint FROM dbkit.journal WHERE service = %s AND fingerprint IS NOT NULL ORDER BY id DESC LIMIT 1", [service]
    ).fetchone()
    return row[0] if row else None


def has_head(connection: psycopg.Connection[tuple[Any, ...]], digest: str) -> bool:
    """Say whether a row's hash (hex) begins so: if it was the last one once and is not there, the tail was cut."""
    query = "SELECT 1 FROM dbkit.journal WHERE starts_with(encode(hash, 'hex'), lower(%s)) LIMIT 1"
    return connection.execute(query, [digest]).fetchone() is not None


def head(connection: psycopg.Connection[tuple[Any, ...]]) -> str:
    """Return the hash of the last row, in hex."""
    row = connection.execute("SELECT encode(hash, 'hex') FROM dbkit.journal ORDER BY id DESC LIMIT 1").fetchone()
    return str(row[0]) if row else ""
