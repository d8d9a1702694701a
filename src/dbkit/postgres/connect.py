"""Connections: who connects, with which settings, and what a failure is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError, DbkitError, UnreachableError
from dbkit.postgres.queries import sql
from dbkit.project.manifest import ROLE_KINDS
from dbkit.project.target import Target, mask

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.server import Server

Connection = "psycopg.Connection[tuple[Any, ...]]"

# a dead client's statement is ended by the server itself, which also asks after a host that says nothing any more; an idle
# lock holder is left alone, and no time limit that somebody gave to the role or the database ends a migration: sent at
# start-up, so that RESET and DISCARD return to them
SESSION = {
    "client_connection_check_interval": "1000",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
    "lock_timeout": "0",
}


@dataclass(frozen=True, slots=True)
class Database:
    """How to reach one service's database. `server` is the embedded one, running."""

    target: Target
    server: Server | None = None

    @property
    def service(self) -> str:
        return self.target.service

    @property
    def name(self) -> str:
        return self.target.name

    def conninfo(self, kind: str = "migrator") -> str:
        """Return a conninfo string: as a role of the service on embedded servers, else the URL's.

        `kind` is one of ROLE_KINDS, or `superuser`.
        """
        if self.server:
            user = "postgres" if kind == "superuser" else self.target.role(kind)
            return self.server.conninfo(self.target.database, user)
        url = self.target.migrate_url if kind == "migrator" and self.target.migrate_url else self.target.url
        assert url is not None  # noqa: S101 a target without a server has a URL
        return url

    def connect(self, purpose: str, kind: str = "migrator", **settings: str) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection in autocommit mode; `settings` are sent at start-up, so RESET returns to them."""
        return connect(self.conninfo(kind), purpose, **settings)


def connect(conninfo: str, purpose: str, **settings: str) -> psycopg.Connection[tuple[Any, ...]]:
    """Open a connection in autocommit mode. Raises UnreachableError, without the password."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        given = conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError:  # whose text may hold a piece of the password
        raise UnreachableError(f"not a PostgreSQL URL: {mask(conninfo)}", hint="postgresql://user@host:5432/database") from None
    _refuse_unencoded(conninfo, given)
    options = " ".join([str(given.get("options") or ""), *(f"-c {name}={_escape(value)}" for name, value in settings.items())]).strip()
    try:
        connection = psycopg.connect(
            conninfo,
            autocommit=True,
            client_encoding="UTF8",  # whatever the database or PGCLIENTENCODING says: scripts are sent as UTF-8
            prepare_threshold=None,  # DISCARD ALL and poolers take prepared statements away
            options=options or None,
            application_name=f"dbkit/{purpose}",
            connect_timeout=given.get("connect_timeout") or 10,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
        )
    except psycopg.OperationalError as exc:
        raise _unreachable(exc, conninfo) from exc
    if not (connection.info.parameter_status("DateStyle") or "").startswith("ISO"):
        connection.execute("SET DateStyle = ISO")  # the only one that the driver reads
    return connection


def is_pooled(connection: psycopg.Connection[tuple[Any, ...]]) -> bool:
    """Say whether a pooler stands between: the backend that answers is not the one that shook hands."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return bool(row and row[0] != connection.info.backend_pid)


def open_watcher(database: Database, purpose: str) -> tuple[psycopg.Connection[tuple[Any, ...]], bool]:
    """Connect as the migrator; say whether a pooler stands between.

    A pooler that refuses settings at start-up is asked again without them.
    """
    try:
        connection = database.connect(purpose, search_path="pg_catalog", **SESSION)
    except UnreachableError as exc:
        if "unsupported startup parameter" not in exc.message:
            raise
        return database.connect(purpose), True
    return connection, is_pooled(connection)


def _refuse_unencoded(conninfo: str, given: dict[str, Any]) -> None:
    """Refuse a URL whose password libpq would take for a host or a database, and name in its errors."""
    wanted = 1 if given.get("user") or given.get("password") else 0
    if "://" in conninfo and conninfo.partition("?")[0].count("@") > wanted:
        raise ConfigurationError(
            f"a character of the user or password is not percent-encoded: {mask(conninfo)}", hint="write @ as %40, / as %2F, : as %3A"
        )


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def _unreachable(exc: psycopg.OperationalError, conninfo: str) -> UnreachableError:
    reason = redact(str(exc).strip(), conninfo).replace("\n", " ")
    hint = "is the server up, and does the URL name the right host, port and database?"
    if "unsupported startup parameter" in reason:
        hint = "a pooler refuses session settings: name the server itself with `migrate_url`"
    elif "does not exist" in reason:
        hint = "create the database and its roles first"
    elif "password" in reason or "authentication" in reason:
        hint = "check the user and the password that the URL stands for"
    return UnreachableError(f"can't reach {mask(conninfo)}: {reason}", hint=hint)


def redact(text: str, conninfo: str) -> str:
    """Remove the conninfo's password from a text."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        password = conninfo_to_dict(conninfo).get("password")
    except psycopg.ProgrammingError:
        password = None
    return text.replace(str(password), "***") if password else text


@dataclass(frozen=True, slots=True)
class Authority:
    """Who a run is, on this server.

    `owner` is the role that scripts run as; `roles` maps each kind to a role that exists:
    where a plain URL gives one role only, that role stands for all.
    """

    owner: str
    session: str
    roles: dict[str, str]
    major: int
    version: str
    in_recovery: bool
    read_only: bool

    @property
    def alone(self) -> bool:
        """Say whether one role does everything, since the service's own are not there."""
        return self.owner == self.session


def authority(connection: psycopg.Connection[tuple[Any, ...]], target: Target) -> Authority:
    """Ask the server which of the service's roles are there, and whether we may be the owner."""
    wanted = {kind: target.role(kind) for kind in ROLE_KINDS}
    one = connection.execute(sql("authority").encode(), {"roles": list(wanted.values())}).fetchone()
    assert one is not None  # noqa: S101 a SELECT without FROM returns a row
    present = one[4]
    session = str(one[0])
    owner = wanted["owner"] if present.get(wanted["owner"]) else session
    return Authority(
        owner=owner,
        session=session,
        roles={kind: name if name in present else session for kind, name in wanted.items()} | {"owner": owner},
        major=connection.info.server_version // 10000,
        version=str(one[2]).split()[0],
        in_recovery=bool(one[1]),
        read_only=bool(one[3]),
    )


def refuse_read_only(database: Database, who: Authority) -> None:
    """Raise where nothing can be written."""
    if who.in_recovery:
        raise DbkitError(f"{database.service}: this server is a standby, where nothing can be written", hint="name the primary")
    if who.read_only:
        raise DbkitError(
            f"{database.service}: default_transaction_read_only is on for this role or database", hint="nothing can be written there"
        )


def server_error(
    exc: psycopg.Error,
    *,
    doing: str,
    where: str | None = None,
    excerpt: str | None = None,
    hint: Callable[[str | None], str | None] = lambda _state: None,
) -> DbkitError:
    """Wrap a server's error: its message, detail and hint, its SQLSTATE, our place."""
    diag = exc.diag
    message = f"{doing}: {diag.message_primary or str(exc).strip()}"
    if diag.message_detail:
        message += f"\n  detail: {diag.message_detail}"
    if diag.context:
        message += f"\n  context: {diag.context.splitlines()[0]}"
    return DbkitError(message, where=where, excerpt=excerpt, sqlstate=exc.sqlstate, hint=diag.message_hint or hint(exc.sqlstate))
