"""Many migrations become one: what they make together, written down, and proven to be the same on a throw-away server."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dbkit.draft import TODO, draft_rollback
from dbkit.errors import ConfigurationError, DbkitError
from dbkit.migrate.engine import engine, prepare
from dbkit.migrate.plan import Sources, find
from dbkit.migrate.rollback import rollback
from dbkit.migrate.run import migrate
from dbkit.postgres import catalog
from dbkit.postgres.connect import Database, authority, open_watcher
from dbkit.postgres.journal import Run
from dbkit.postgres.roles import prepare_cluster
from dbkit.postgres.throwaway import throwaway_server
from dbkit.project.manifest import Environment, Project
from dbkit.project.target import Target
from dbkit.prove.dump import dump, rows, script
from dbkit.prove.names import placeholders, reading_from, templated
from dbkit.prove.round_trip import SHOWN, describe, snapshot
from dbkit.source.files import Migration, load_migrations
from dbkit.source.repeatables import load_routines
from dbkit.source.statements import parse
from dbkit.verify import compare

if TYPE_CHECKING:
    from dbkit.postgres.server import Server

# what belongs to the cluster, or is set for the whole database: no dump of a database holds it
NOT_IN_A_DUMP = {
    "create_role_stmt",
    "alter_role_stmt",
    "drop_role_stmt",
    "alter_role_set_stmt",
    "grant_role_stmt",
    "alter_system_stmt",
    "alter_database_stmt",
    "alter_database_set_stmt",
    "createdb_stmt",
    "dropdb_stmt",
    "create_table_space_stmt",
    "drop_table_space_stmt",
    "create_subscription_stmt",
    "drop_subscription_stmt",
}


@dataclass(frozen=True, slots=True)
class Baseline:
    """The file that stands for many, proven. `rollback` is None where the drafted one did not undo it; `rows` are counted by table."""

    service: str
    path: Path
    text: str
    rollback: str | None
    squashed: tuple[Migration, ...]
    rows: dict[str, int]
    fingerprint: str
    notes: tuple[str, ...]

    @property
    def rollback_path(self) -> Path:
        name, _, suffix = self.path.name.partition(".")
        return self.path.with_name(f"{name}.rollback.{suffix}")

    @property
    def removed(self) -> list[Path]:
        return [script.path for m in self.squashed for script in (m.script, m.rollback) if script]


def squash(project: Project, service: str, settings: Environment, to: str, progress: Callable[[str], None]) -> Baseline:
    """Return the baseline of the migrations up to `to`; writes nothing.

    Raises ConfigurationError for what can't be squashed, DbkitError where the baseline makes something else than they do.
    """
    files = load_migrations(project, service)
    chosen = files[: find(files, to) + 1]
    _refuse_unfit(chosen)
    progress("starting a throw-away server")
    with throwaway_server(settings) as server:
        return _Workshop(project, service, settings, server, tuple(chosen), progress).baseline()


def write_baseline(baseline: Baseline) -> None:
    """Put the baseline in place of what it stands for."""
    baseline.path.write_text(baseline.text, encoding="utf-8")
    if baseline.rollback is not None:
        baseline.rollback_path.write_text(baseline.rollback, encoding="utf-8")
    for path in baseline.removed:
        path.unlink()


def _refuse_unfit(chosen: list[Migration]) -> None:
    if len(chosen) < 2:
        raise ConfigurationError(f"{chosen[0].name} is the first migration: there is nothing to squash", hint="name a later one with --to")
    for position, migration in enumerate(chosen):
        for statement in parse(migration.script.text):
            if statement.kind in NOT_IN_A_DUMP:
                before = f"squash up to {chosen[position - 1].name}, or " if position > 1 else ""
                raise ConfigurationError(
                    f"`{' '.join(statement.text.split())[:60]}` changes the cluster or the database's settings,"
                    " and a baseline holds what is in the database",
                    where=str(migration.script.origin(statement.line)),
                    hint=f"{before}move the statement out of the migrations",
                )


@dataclass(frozen=True, slots=True)
class _Workshop:
    """A throw-away server, on which the old way and the new way are built side by side."""

    project: Project
    service: str
    settings: Environment
    server: Server
    chosen: tuple[Migration, ...]
    progress: Callable[[str], None]

    def baseline(self) -> Baseline:
        self.progress("building it the old way")
        old = self._database("old")
        self._migrate(old, self.chosen)
        written, suffix, notes = self._written()
        body = script(written)
        drafted = draft_rollback(body)
        digits = self.chosen[-1].name.partition("_")[0]
        draft = Baseline(
            service=self.service,
            path=self.project.folder(self.service, "migrations") / f"{digits}_baseline{suffix}",
            text=self._header() + (templated(body) if suffix == ".sql.j2" else body),
            rollback=None if TODO in drafted else templated(drafted) if suffix == ".sql.j2" else drafted,
            squashed=self.chosen,
            rows=dict(rows(dump(self.server, "old"))),
            fingerprint=snapshot(old).fingerprint,
            notes=(*notes, *self._remarks()),
        )
        if any(draft.path.name.startswith(f"{migration.name}.") for migration in self.chosen):
            raise ConfigurationError(f"{self.chosen[-1].name} can't stand for itself", hint="name a later migration with --to")
        return self._proven(draft, old)

    def _header(self) -> str:
        lines = "".join(f"-- squashes: {migration.name}\n" for migration in self.chosen)
        major = self.server.binaries.major
        return (
            f"{lines}-- What these migrations made together, as PostgreSQL {major} writes it down. Their texts are in version control.\n\n"
        )

    def _remarks(self) -> list[str]:
        """Say what of the old migrations a baseline does not do in the same way."""
        found = [f"{m.name} ran without a transaction; what it made is made in the baseline's" for m in self.chosen if not m.transactional]
        found += [f"{m.name} was a backfill; its rows are there as it left them" for m in self.chosen if m.backfill]
        return found + [f"{m.name} was irreversible: {m.irreversible}" for m in self.chosen if m.irreversible]

    # building

    def _database(self, name: str, project: Project | None = None) -> Database:
        """Make a database with what is there before the first migration: the schema, the before-phase routines."""
        from msgspec.structs import replace as changed

        manifest = (project or self.project).manifest
        services = {**manifest.services, self.service: changed(manifest.services[self.service], database=name)}
        named = replace(self.project, manifest=changed(manifest, services=services))
        prepare_cluster(self.server.conninfo("postgres"), named, [self.service])
        database = Database(Target(named, self.service, "squash", self.settings, "postgres", None, None), self.server)
        watcher, pooled = open_watcher(database, "squash")
        with watcher:
            who = authority(watcher, database.target)
            with engine(database, watcher, who, _run(), lambda _event: None, pooled=pooled, lock_wait=60) as work:
                prepare(work)
        self._migrate(database, ())
        return database

    def _migrate(self, database: Database, migrations: tuple[Migration, ...]) -> None:
        routines = [r for r in load_routines(database.target.project, self.service) if r.phase == "before"]
        migrate(database, _run(), lambda _event: None, sources=Sources(migrations, tuple(routines)))

    # what to write

    def _written(self) -> tuple[list[str], str, list[str]]:
        """Return the statements of the baseline, the suffix of its file, and what is to be said of it.

        Where all files are templates it is one too: they are built with placeholders for the names that they are given.
        """
        self.progress("writing down what it made")
        if any(migration.path.suffix != ".j2" for migration in self.chosen):
            statements, notes = self._statements("written", self.project)
            return statements, ".sql", notes
        try:
            statements, notes = self._statements("placeholders", placeholders(self.project, self.service))
        except ConfigurationError:
            raise
        except DbkitError as exc:
            statements, notes = self._statements("written", self.project)
            reason = exc.message.partition("\n")[0]
            return statements, ".sql", [*notes, f"it is no template, since they don't run under other names: {reason}"]
        return statements, ".sql.j2", notes

    def _statements(self, name: str, project: Project) -> tuple[list[str], list[str]]:
        database = self._database(name, project)
        chosen = tuple(load_migrations(database.target.project, self.service)[: len(self.chosen)])
        before = dict.fromkeys(dump(self.server, name))
        already = self._partitions(database)
        self._migrate(database, chosen)
        made = {child: parent for child, parent in self._partitions(database).items() if child not in already}
        repeated, left_out, notes = _partition_calls(made, chosen)
        after = dump(self.server, name, without=left_out)
        if lost := sorted(before.keys() - set(after)):
            raise ConfigurationError(
                f"the migrations change what a before-phase routine makes: {' '.join(lost[0].split())[:100]}",
                hint="put the change into the routine; or squash up to before it",
            )
        statements = [text for text in after if text not in before]
        if any(text.startswith(("CREATE FUNCTION", "CREATE PROCEDURE")) for text in statements):
            statements.insert(0, "SET LOCAL check_function_bodies = off")
        by_default = f"ALTER DEFAULT PRIVILEGES FOR ROLE {database.target.role('owner')} "
        return [text.replace(by_default, "ALTER DEFAULT PRIVILEGES ") for text in statements] + repeated, notes

    def _partitions(self, database: Database) -> dict[str, str]:
        """Return each partition with its parent."""
        query = (
            "SELECT i.inhrelid::regclass::text, i.inhparent::regclass::text FROM pg_inherits AS i"
            " INNER JOIN pg_class AS c ON i.inhrelid = c.oid WHERE c.relispartition AND c.relkind IN ('r', 'p', 'f')"
        )
        with database.connect("squash", "superuser") as connection:
            return dict(connection.execute(query).fetchall())

    # the proof

    def _proven(self, draft: Baseline, old: Database) -> Baseline:
        """Build the new way, and raise where it is not the old one; then the way back."""
        self.progress("building it the new way")
        new = self._database("new")
        nothing = snapshot(new)
        with tempfile.TemporaryDirectory() as folder:
            trial = replace(draft, path=Path(folder) / draft.path.name, squashed=())
            write_baseline(trial if draft.rollback is not None else replace(trial, text=_irreversible(draft.text)))
            try:
                self._migrate(new, tuple(load_migrations(reading_from(self.project, self.service, folder), self.service)))
            except DbkitError as exc:
                hint = "nothing was written; squash up to before the migration that it is about"
                raise DbkitError(
                    f"the baseline does not run: {exc.message}", excerpt=exc.excerpt, sqlstate=exc.sqlstate, hint=hint
                ) from exc
        self._refuse_another(old, new)
        if draft.rollback is not None and self._is_undone(new, nothing):
            return draft
        note = "its rollback could not be drafted: the baseline is irreversible, until you write one and take that line away"
        return replace(draft, text=_irreversible(draft.text), rollback=None, notes=(*draft.notes, note))

    def _refuse_another(self, old: Database, new: Database) -> None:
        lines = [describe(difference) for difference in compare(snapshot(old), snapshot(new))]
        counts = [rows(dump(self.server, database.target.database)) for database in (old, new)]
        lines += [
            f"{table}: {counts[0][table]} rows -> {counts[1][table]}"
            for table in sorted(set().union(*counts))
            if counts[0][table] != counts[1][table]
        ]
        partitions = [set(self._partitions(database)) for database in (old, new)]
        lines += [
            f"partition {name}: only the {'old' if name in partitions[0] else 'new'} way makes it"
            for name in sorted(partitions[0] ^ partitions[1])
        ]
        if lines:
            more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
            raise DbkitError(
                "the baseline does not make what the migrations make:\n  " + "\n  ".join([*lines[:SHOWN], *more]),
                hint="nothing was written; squash up to before the migration that does what a dump can't tell",
            )

    def _is_undone(self, new: Database, nothing: catalog.Catalog) -> bool:
        self.progress("and back")
        try:
            rollback(new, _run(), lambda _event: None, to="0", steps=None)
        except DbkitError:
            return False
        return snapshot(new).objects == nothing.objects


def _run() -> Run:
    return Run("squash", None)


def _irreversible(text: str) -> str:
    return f"-- irreversible: the baseline's rollback was not drafted; older databases go back by the texts in their journal\n{text}"


def _partition_calls(made: dict[str, str], chosen: tuple[Migration, ...]) -> tuple[list[str], list[str], list[str]]:
    """Return the calls that make partitions, the partitions to leave out since those make them, and what to say.

    A partition that no migration names comes from a call (the months around today): a dump would freeze it.
    """
    texts = "\n".join(migration.script.text for migration in chosen)
    unnamed = {child: parent for child, parent in made.items() if not _mentions(texts, child)}
    calls = [
        statement.text
        for migration in chosen
        for statement in parse(migration.script.text)
        if statement.kind in {"select_stmt", "do_stmt", "call_stmt"} and any(_mentions(statement.text, p) for p in unnamed.values())
    ]
    left_out = [child for child, parent in unnamed.items() if any(_mentions(call, parent) for call in calls)]
    kept = sorted({parent for child, parent in unnamed.items() if child not in left_out})
    return calls, left_out, [f"the partitions of {parent} are written down as they are today: no call names it" for parent in kept]


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name.rpartition('.')[2].strip(chr(34)))}\b", text) is not None
