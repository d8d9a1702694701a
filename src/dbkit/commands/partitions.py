"""dbkit partitions"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dbkit.commands import Invocation, invocation, services_argument, url_option, yes_option

if TYPE_CHECKING:
    from dbkit.maintain.partitions import Done, Plan
    from dbkit.postgres.connect import Database


@click.command("partitions")
@services_argument
@click.option("--archive", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write what leaves to files here first.")
@click.option("--dry-run", is_flag=True, help="Change nothing; show the plan.")
@url_option
@yes_option
@invocation
def command(call: Invocation, services: tuple[str, ...], archive: Path | None, url: str | None, *, dry_run: bool, yes: bool) -> None:
    """Make the coming months of partitioned tables, and take off those past their retention.

    A month is detached concurrently and dropped, what references it first; a run that died is finished by the next.

    \b
    Example:  dbkit partitions order --archive /var/backups/order
    \b
    Exit codes: 0 done, or nothing to do · 1 a month could not be made or taken off
    """
    from dbkit.maintain.partitions import keep_partitions, plan_partitions
    from dbkit.postgres.connect import Database

    if not dry_run:
        call.confirm(call.targets(services, url), "make and drop partitions", yes=yes)
    report: list[dict[str, Any]] = []
    failed = False
    with call.reach(services, url) as places:
        for place in places:
            if not isinstance(place, Database):
                continue
            plan = plan_partitions(place)
            entry: dict[str, Any] = {"service": place.name, "plan": asdict(plan)}
            if dry_run:
                _show(call, place, plan)
            else:
                results = keep_partitions(place, partial(_tell, call, place), archive)
                entry["results"] = [asdict(result) for result in results]
                failed = failed or any(result.outcome == "failed" for result in results)
            if not plan.missing and not plan.leaving:
                call.output.event(place.name, "ok", "every month is there, none is past its time")
            report.append(entry)
    if call.output.as_json:
        call.output.document({"services": report})
    if failed:
        raise click.exceptions.Exit(1)


def _show(call: Invocation, place: Database, plan: Plan) -> None:
    for table in plan.missing:
        call.output.event(place.name, "pending", table, note="months to make")
    for leaving in plan.leaving:
        call.output.event(place.name, "pending", leaving.partition, note=f"{leaving.state}, past its retention")


def _tell(call: Invocation, place: Database, done: Done) -> None:
    call.output.event(place.name, done.outcome, done.what, note=done.note)
