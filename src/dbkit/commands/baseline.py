"""dbkit baseline"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dbkit.commands import Invocation, invocation, postgres_only, reason_option, service_argument, url_option, yes_option

if TYPE_CHECKING:
    from dbkit.migrate.engine import Event


@click.command("baseline")
@service_argument
@click.option("--to", metavar="ID", help="The last migration that the database has already (default: all).")
@reason_option
@click.option("--dry-run", is_flag=True, help="Change nothing; show what would be marked.")
@click.option("--lock-wait", type=float, default=60.0, show_default=True, metavar="SECONDS", help="How long to wait for another run.")
@url_option
@yes_option
@invocation
def command(
    call: Invocation,
    service: str,
    to: str | None,
    reason: str,
    lock_wait: float,
    url: str | None,
    *,
    dry_run: bool,
    yes: bool,
) -> None:
    """Adopt an existing database: mark migrations as applied without running them.

    \b
    Their texts and rollbacks are stored as if they had been applied, with the reason; the
    next `dbkit migrate` deploys the routines and goes on behind them.
    \b
    Example:  dbkit baseline order --to 0012 --reason "made by hand until 2024"
    \b
    Exit codes: 0 done · 2 one of them is applied already, or can't be read · 4 another run holds the lock
    """
    from dbkit.migrate.baseline import baseline, plan_baseline

    postgres_only(call, service)
    if not dry_run:
        call.confirm(call.targets((service,), url), f"mark migrations of {service} as applied", yes=yes)
    with call.reach_database(service, url) as database:
        if dry_run:
            with database.connect("baseline") as connection:
                chosen = plan_baseline(database, connection, to)
        else:
            chosen = baseline(database, call.run(), lambda event: _tell(call, event), to=to, reason=reason, lock_wait=lock_wait)
    for migration in chosen:
        call.output.event(service, "would mark" if dry_run else "baselined", migration.name)
    if call.output.as_json:
        call.output.document({"service": service, "baselined": [] if dry_run else [migration.id for migration in chosen]})


def _tell(call: Invocation, event: Event) -> None:
    call.output.note(f"{event.object}: {event.kind}: {event.text}")
