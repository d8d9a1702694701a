"""dbkit import"""  # noqa: N999 a command is named as its file

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dbkit.commands import Invocation, invocation, postgres_only, url_option, yes_option
from dbkit.errors import ConfigurationError
from dbkit.layouts.readers import tools

if TYPE_CHECKING:
    from dbkit.layouts.adopting import History
    from dbkit.layouts.importing import Import
    from dbkit.migrate.engine import Event
    from dbkit.postgres.connect import Database


@click.command("import")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("service", required=False)
@click.option("--from", "tool", required=True, type=click.Choice(tools()), help="The tool that the folder was written for.")
@click.option("--adopt", is_flag=True, help="Mark as applied what the tool's own history table says is.")
@click.option("--dry-run", is_flag=True, help="Change nothing; show what would be written and marked.")
@click.option("--lock-wait", type=float, default=60.0, show_default=True, metavar="SECONDS", help="How long to wait for another run.")
@url_option
@yes_option
@invocation
def command(
    call: Invocation,
    folder: Path,
    service: str | None,
    tool: str,
    lock_wait: float,
    url: str | None,
    *,
    adopt: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Read another tool's migration folder into a service of this project.

    \b
    All files are written or none; texts stay as they are, and what had to be changed is said.
    With --adopt the migrations that the tool's history table has are marked as applied, so
    that nothing is applied twice; the table is left alone. Where the files are written already
    (a second database), --adopt marks only. docs/import.md has a section for each tool.
    \b
    Example:  dbkit import db/migrations orders --from goose --adopt
    \b
    Exit codes: 0 done · 1 written, but something needs a person · 2 the folder or the history is
    wrong: nothing was written or marked · 4 another run holds the lock
    """
    from dbkit.layouts.importing import is_written, plan_import

    service = service or _only_service(call)
    postgres_only(call, service)
    planned = plan_import(call.project, service, tool, folder)
    there = is_written(call.project, service, planned)
    if there and not adopt:
        raise ConfigurationError(
            f"{service} has migrations already, and an import overwrites nothing", hint="--adopt marks them as applied"
        )
    if adopt and not dry_run:
        call.confirm(call.targets((service,), url), f"mark migrations of {service} as applied", yes=yes)
    with call.reach_database(service, url) if adopt else nullcontext() as database:
        history = _history(database, planned) if database else None
        if not there:
            _write(call, service, planned, dry_run=dry_run)
        if database and history:
            _mark(call, database, planned, history, lock_wait, dry_run=dry_run)
    if call.output.as_json:
        call.output.document(_document(service, planned, history, written=not (there or dry_run)))
    if planned.doubts and not there:
        raise SystemExit(1)


def _only_service(call: Invocation) -> str:
    services = [name for name, service in call.project.manifest.services.items() if service.engine == "postgres"]
    if len(services) != 1:
        raise ConfigurationError(
            "which service do the migrations belong to?", hint=f"dbkit import DIR SERVICE --from …: {', '.join(services)}"
        )
    return services[0]


def _write(call: Invocation, service: str, planned: Import, *, dry_run: bool) -> None:
    from dbkit.layouts.importing import write_import
    from dbkit.report.console import relative

    if not dry_run:
        write_import(planned)
    verb = "would write" if dry_run else "written"
    for migration in planned.migrations:
        notes = dict.fromkeys(note for file in migration.files for note in file.notes)
        call.output.event(service, verb, migration.name, note="; ".join(notes))
    for file in planned.routines:
        call.output.event(service, verb, str(file.path.relative_to(call.project.root)), note="; ".join(file.notes))
    for left in planned.reading.left:
        call.output.event(service, "left out", str(left.path), note=left.why)
    for doubt in planned.doubts:
        call.output.note(f"{relative(doubt.where)}: {doubt.text}", style="yellow")
    counts = f"{len(planned.migrations)} migrations, {len(planned.routines)} repeatables, {len(planned.reading.left)} left out"
    call.output.line(f"{service}: {counts}, {len(planned.doubts)} need a person")


def _history(database: Database, planned: Import) -> History:
    from dbkit.layouts.adopting import read_history

    with database.connect("import") as connection:
        return read_history(connection, planned, database.target.schema)


def _mark(call: Invocation, database: Database, planned: Import, history: History, lock_wait: float, *, dry_run: bool) -> None:
    from dbkit.migrate.baseline import baseline

    if not dry_run:
        reason = f"adopted from {planned.tool}: {history.table}"
        baseline(database, call.run(), lambda event: _listen(call, event), to=history.last, reason=reason, lock_wait=lock_wait)
    call.output.event(
        database.service, "would mark" if dry_run else "baselined", f"{history.count} migrations", note=f"up to {history.last}"
    )


def _listen(call: Invocation, event: Event) -> None:
    call.output.note(f"{event.object}: {event.kind}: {event.text}")


def _document(service: str, planned: Import, history: History | None, *, written: bool) -> dict[str, object]:
    return {
        "service": service,
        "tool": planned.tool,
        "written": written,
        "migrations": [
            {
                "id": migration.step.id,
                "name": migration.name,
                "source": str(migration.step.path),
                "changed": [note for file in migration.files for note in file.notes],
            }
            for migration in planned.migrations
        ],
        "routines": [str(file.path) for file in planned.routines],
        "left": [{"path": str(left.path), "why": left.why} for left in planned.reading.left],
        "doubts": [{"where": doubt.where, "text": doubt.text} for doubt in planned.doubts],
        "adopted": {"table": history.table, "last": history.last, "count": history.count} if history else None,
    }
