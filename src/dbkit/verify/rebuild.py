"""What the files make, on a throw-away server: statement by statement where that server lacks something, so that the rest is compared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dbkit.errors import DbkitError
from dbkit.migrate.applied import is_applied
from dbkit.migrate.plan import Sources
from dbkit.migrate.run import migrate
from dbkit.postgres import catalog, journal
from dbkit.postgres.connect import Database, authority
from dbkit.postgres.roles import prepare_cluster
from dbkit.routines.order import deployment_order
from dbkit.routines.plan import is_pending
from dbkit.source import lexer
from dbkit.source.statements import Statement, parse, strip_restrict
from dbkit.verify import stand_ins
from dbkit.verify.touched import touched

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.catalog import Catalog
    from dbkit.postgres.server import Server
    from dbkit.source.script import Script

    Connection = psycopg.Connection[tuple[Any, ...]]

# no such file, not supported, no such object, no such function, no such schema, not the owner's to do: what a server says that
# lacks something, or to which no administrator has been
LACKING = frozenset({"58P01", "0A000", "42704", "42883", "3F000", "42501"})
LZ4 = re.compile(r"(?i)\bCOMPRESSION\s+lz4\b")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A statement that the throw-away server did not take: where it stands, why, and the objects that it is about."""

    where: str
    why: str
    objects: frozenset[str]


@dataclass(slots=True)
class Rebuild:
    """The catalog of what could be made; `stand_ins` names the extensions that are not the real ones."""

    catalog: Catalog
    left_out: list[LeftOut] = field(default_factory=list)
    stand_ins: frozenset[str] = frozenset()
    lz4: bool = True
    collations: frozenset[str] = frozenset()


def rebuild(database: Database, sources: Sources, server: Server, target: stand_ins.Offers) -> Rebuild:
    """Make the service's database on the server, from what is applied and deployed there."""
    here = replace(database.target, url=None, migrate_url=None)
    copy = Database(here, server)
    prepare_cluster(server.conninfo("postgres"), here.project, [here.service])
    with copy.connect("verify", "superuser") as superuser:
        own = stand_ins.offers(superuser)
        stand_ins.prepare_server(superuser, target, own)
        stand_ins.prepare_collations(superuser, target, own)
        own = _ready_made(superuser, target, own, sources, here.schema)
    lenient = Lenient(database, copy, sources, target, own)
    try:
        migrate(copy, journal.Run(here.environment, None), lambda _event: None, sources=sources)
    except DbkitError as exc:
        if exc.sqlstate not in LACKING:
            raise
        lenient.run()
    with copy.connect("verify") as connection:
        owner = authority(connection, here).owner
        found = catalog.read(connection, catalog.schemas_of(connection, here.schema, owner), needs=True)
    return Rebuild(found, lenient.left_out, frozenset(lenient.installed), lz4=own.lz4, collations=frozenset(lenient.collations))


def _made_by_the_files(sources: Sources) -> set[str]:
    texts = [m.script.text for m in sources.migrations] + [r.script.text for r in sources.routines]
    candidates = [text for text in texts if "extension" in text.lower()]
    return {s.node.extname for text in candidates for s in parse(text) if s.kind == "create_extension_stmt"}


def _ready_made(superuser: Connection, target: stand_ins.Offers, own: stand_ins.Offers, sources: Sources, schema: str) -> stand_ins.Offers:
    """Install what an administrator installed on the target, where this server has it too; return what the server really has."""
    wanted = {name for name in target.extensions if target.extensions[name] != schema} - _made_by_the_files(sources)
    refused = {name for name in sorted(wanted) if not _made(superuser, name, target.extensions[name], own)}
    return replace(own, available=own.available - refused)


def _made(superuser: Connection, name: str, schema: str, own: stand_ins.Offers) -> bool:
    """Make an extension and its schema, for everybody to use, as an administrator did; say whether the server could.

    One that it has not, that has to be preloaded or that fixes its schema, is stood in for.
    """
    import psycopg
    from psycopg.sql import SQL, Identifier

    if not superuser.execute("SELECT oid FROM pg_namespace WHERE nspname = %s", [schema]).fetchone():
        superuser.execute(SQL("CREATE SCHEMA {0}; GRANT USAGE ON SCHEMA {0} TO PUBLIC").format(Identifier(schema)))
    if name not in own.available:
        return False
    try:
        superuser.execute(SQL("CREATE EXTENSION {} SCHEMA {} CASCADE").format(Identifier(name), Identifier(schema)))
    except psycopg.Error:
        return False
    for (wrapper,) in superuser.execute("SELECT fdwname FROM pg_foreign_data_wrapper").fetchall():
        superuser.execute(SQL("GRANT USAGE ON FOREIGN DATA WRAPPER {} TO PUBLIC").format(Identifier(wrapper)))
    return True


class Lenient:
    """Runs what is not in yet, one statement after the other; what the server refuses is left out, with what needs it."""

    def __init__(self, original: Database, copy: Database, sources: Sources, target: stand_ins.Offers, own: stand_ins.Offers) -> None:
        self.original, self.copy, self.sources, self.target, self.own = original, copy, sources, target, own
        self.left_out: list[LeftOut] = []
        self.installed: set[str] = set()
        self.collations: set[str] = set()

    def run(self) -> None:
        """Run the rest of the scripts, as the owner."""
        service = self.copy.target.service
        with self.copy.connect("verify") as connection:
            state = journal.state(connection, service)
            owner = authority(connection, self.copy.target).owner
        routines = [r for r in deployment_order(list(self.sources.routines)) if is_pending(r, state)]
        migrations = [m for m in self.sources.migrations if not is_applied(m, state) and not m.backfill]
        with self.copy.connect("verify", "superuser") as superuser, self.copy.connect("verify", "superuser", role=owner) as connection:
            for name in sorted(set(self.target.extensions) - self.own.available - _made_by_the_files(self.sources)):
                self._install(superuser, name, self.target.extensions[name])
            for routine in (r for r in routines if r.phase == "before"):
                self._script(connection, superuser, routine.script, transactional=True)
            for migration in migrations:
                self._script(connection, superuser, migration.script, transactional=migration.transactional)
            for routine in (r for r in routines if r.phase == "after"):
                self._script(connection, superuser, routine.script, transactional=True)

    def _script(
        self,
        connection: Connection,
        superuser: Connection,
        script: Script,
        *,
        transactional: bool,
    ) -> None:
        connection.execute("SET check_function_bodies = off; SET client_min_messages = error")
        if transactional:
            connection.execute("BEGIN")
        for statement in _statements(script.text):
            self._statement(connection, superuser, script, statement, transactional=transactional)
        if transactional:
            connection.execute("COMMIT")
        connection.execute("RESET ALL")

    def _statement(
        self,
        connection: Connection,
        superuser: Connection,
        script: Script,
        statement: Statement,
        *,
        transactional: bool,
    ) -> None:
        import psycopg

        if transactional:
            connection.execute("SAVEPOINT statement")
        try:
            connection.execute(statement.text.encode())
        except psycopg.Error as exc:
            if transactional:
                connection.execute("ROLLBACK TO SAVEPOINT statement")
            if transactional and statement.kind == "create_extension_stmt":
                connection.execute("COMMIT; BEGIN")  # the superuser's session has to see the schema
            if not self._stood_in(connection, superuser, statement):
                names = frozenset(touched(statement, self.copy.target.schema))
                self.left_out.append(LeftOut(str(script.origin(statement.line)), exc.diag.message_primary or str(exc), names))

    def _stood_in(self, connection: Connection, superuser: Connection, statement: Statement) -> bool:
        """Put a stand-in where the statement failed; say whether there is one."""
        import psycopg
        from psycopg.sql import SQL, Identifier

        if not self.own.lz4 and LZ4.search(statement.text):
            try:
                with connection.transaction():
                    connection.execute(LZ4.sub("", statement.text).encode())
            except psycopg.Error:
                return False
            return True

        node = statement.node
        if statement.kind == "create_extension_stmt" and node.extname in self.target.extensions:
            schema = self.target.extensions[node.extname]
            if not _made(superuser, node.extname, schema, self.own):
                self._install(superuser, node.extname, schema)
            return True
        if statement.kind == "define_stmt" and statement.text.upper().startswith("CREATE COLLATION"):
            names = [part.string.sval for part in node.defnames]
            owner = Identifier(self.copy.target.role("owner"))
            superuser.execute(SQL('CREATE COLLATION {} FROM pg_catalog."C"').format(Identifier(*names)))
            superuser.execute(SQL("ALTER COLLATION {} OWNER TO {}").format(Identifier(*names), owner))
            self.collations.add(".".join(names))
            return True
        return False

    def _install(self, superuser: Connection, name: str, schema: str) -> None:
        if name in self.installed:
            return
        with self.original.connect("verify", default_transaction_read_only="on") as connection:
            statements = stand_ins.statements_of(connection, name)
        stand_ins.install(superuser, name, schema, statements)
        self.installed.add(name)


def _statements(text: str) -> Iterator[Statement]:
    """Yield the statements of a script but for its rows: what COPY reads is no schema."""
    for statement in parse(lexer.without_data(strip_restrict(text))):
        if statement.kind not in {"copy_stmt", "transaction_stmt"}:
            yield statement
