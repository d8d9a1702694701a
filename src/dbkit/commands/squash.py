"""dbkit squash"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dbkit.commands import Invocation, invocation, postgres_only, service_argument
from dbkit.errors import ConfigurationError, DbkitError

if TYPE_CHECKING:
    from dbkit.project.manifest import Environment


@click.command("squash")
@service_argument
@click.option("--to", metavar="ID", required=True, help="The last migration that the baseline stands for.")
@click.option("--dry-run", is_flag=True, help="Change no file; prove it all the same.")
@invocation
def command(call: Invocation, service: str, to: str, *, dry_run: bool) -> None:
    """Make one baseline of the migrations up to ID, proven equal on a throw-away server.

    A new database runs the baseline. One that has all of them applied goes on as before: `migrate`
    marks the baseline and runs nothing. One that has some of them needs the release before.

    \b
    Example:  dbkit squash order --to 0042 --dry-run
    \b
    Exit codes: 0 written · 1 the baseline would make something else: nothing is written ·
    2 a file is not committed, or can't be squashed
    """
    from dbkit.project import git
    from dbkit.prove import squash, write_baseline

    postgres_only(call, service)
    root = call.project.root
    settings = _settings(call, service)
    with call.output.progress(f"{service}: reading") as progress:
        baseline = squash(call.project, service, settings, to, lambda text: progress.update(f"{service}: {text}"))
    lost = git.uncommitted(root, baseline.removed)
    if lost and not dry_run:
        raise ConfigurationError(
            f"{lost[0].name} is not committed as it is, and would be lost", where=f"{lost[0]}:1", hint="commit it first, then squash"
        )
    if not dry_run:
        write_baseline(baseline)
    written = [baseline.path] + ([baseline.rollback_path] if baseline.rollback is not None else [])
    for migration in baseline.squashed:
        call.output.event(service, "would go" if dry_run else "removed", migration.name)
    for path in written:
        call.output.event(service, "would write" if dry_run else "written", str(path.relative_to(root)))
    call.output.event(service, "equal", baseline.fingerprint)
    for table, count in baseline.rows.items():
        call.output.event(service, "rows", table, note=f"{count}, as the migrations left them")
    for note in baseline.notes:
        call.output.note(f"{service}: {note}", style="yellow")
    if call.output.as_json:
        call.output.document(
            {
                "service": service,
                "dry_run": dry_run,
                "baseline": [str(path.relative_to(root)) for path in written],
                "squashed": [migration.id for migration in baseline.squashed],
                "rows": baseline.rows,
                "fingerprint": baseline.fingerprint,
                "notes": list(baseline.notes),
            }
        )


def _settings(call: Invocation, service: str) -> Environment:
    """Return the settings of a throw-away server of the target's major: what PostgreSQL writes down differs between majors."""
    from dbkit.postgres.throwaway import settings_for

    (target,) = call.targets((service,))
    if target.url is None:
        return target.settings
    try:
        with call.reach_database(service) as database, database.connect("squash") as connection:
            wanted = connection.info.server_version // 10000
    except DbkitError as exc:
        call.output.note(f"{service}: its server was not asked which PostgreSQL it is: {exc.message}", style="yellow")
        return target.settings
    settings, major = settings_for(wanted, target.settings)
    if major != wanted:
        call.output.note(f"{service}: written by PostgreSQL {major}, as there is no {wanted} here", style="yellow")
    return settings
