"""dbkit repair"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dbkit.commands import Invocation, invocation, postgres_only, reason_option, service_argument, url_option, yes_option
from dbkit.errors import ConfigurationError

if TYPE_CHECKING:
    from dbkit.migrate.engine import Event


@click.command("repair")
@service_argument
@click.argument("migration", metavar="[ID]", required=False)
@reason_option
@click.option(
    "--statement",
    type=click.Choice(["done", "again"]),
    help="A run ended in a statement, and the catalog can't tell: it finished, or it is to be run again.",
)
@click.option("--dry-run", is_flag=True, help="Change nothing; show what does not agree, and what would count.")
@click.option("--lock-wait", type=float, default=60.0, show_default=True, metavar="SECONDS", help="How long to wait for another run.")
@url_option
@yes_option
@invocation
def command(
    call: Invocation,
    service: str,
    migration: str | None,
    reason: str,
    statement: str | None,
    lock_wait: float,
    url: str | None,
    *,
    dry_run: bool,
    yes: bool,
) -> None:
    """Accept what is: an edited file, one that is gone or renamed, a migration that failed.

    \b
    Only the journal changes, by a new entry that keeps the reason; the database's objects and
    your files stay as they are.
    \b
    Example:  dbkit repair order 0007 --reason "comment in the SQL body corrected" --dry-run
    \b
    Exit codes: 0 done · 2 there is nothing to repair · 4 another run holds the lock
    """
    from dbkit.migrate.repair import plan_repair, repair, settle_statement

    postgres_only(call, service)
    if statement and migration is None:
        raise ConfigurationError("--statement needs the migration that it belongs to", hint=f"dbkit repair {service} ID --statement …")
    if not dry_run:
        call.confirm(call.targets((service,), url), f"repair the journal of {service}", yes=yes)
    with call.reach_database(service, url) as database:

        def told(event: Event) -> None:
            call.output.note(f"{service}: {event.kind}: {event.text}")

        if statement and migration and not dry_run:
            finished = statement == "done"
            name = settle_statement(database, call.run(), told, wanted=migration, finished=finished, reason=reason, lock_wait=lock_wait)
            call.output.event(service, "repaired", name.partition("/")[2], note="`dbkit migrate` or `dbkit rollback` goes on")
            settled = [{"id": name, "kind": f"statement {statement}"}]
        else:
            if dry_run:
                with database.connect("repair") as connection:
                    found = plan_repair(database, connection, migration)
            else:
                found = repair(database, call.run(), told, wanted=migration, reason=reason, lock_wait=lock_wait)
            for item in found:
                note = f"{item.kind}: {item.consequence}"
                call.output.event(service, "to repair" if dry_run else "repaired", item.id.partition("/")[2], note=note)
            settled = [{"id": item.id, "kind": item.kind} for item in found]
    if call.output.as_json:
        call.output.document({"service": service, "would_repair" if dry_run else "repaired": settled})
