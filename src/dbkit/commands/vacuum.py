"""dbkit vacuum"""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from dbkit.commands import Invocation, invocation, services_argument, url_option, yes_option

if TYPE_CHECKING:
    from dbkit.maintain.vacuum import VacuumResult
    from dbkit.postgres.connect import Database


class Minutes(click.ParamType[float]):
    """A time such as 90s, 10min or 2h, in seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"(\d+)\s*(s|min|h)", str(value))
        if not found:
            self.fail(f"{value!r} is not a time; write 90s, 10min or 2h", param, ctx)
        return int(found[1]) * {"s": 1.0, "min": 60.0, "h": 3600.0}[found[2]]


@click.command("vacuum")
@services_argument
@click.option("--all", "everything", is_flag=True, help="Every table, needed or not.")
@click.option("--budget", type=Minutes(), metavar="TIME", help="Begin nothing after this time: 90s, 10min, 2h.")
@click.option("--jobs", type=click.IntRange(1, 32), default=1, show_default=True, help="Tables at a time.")
@click.option("--dry-run", is_flag=True, help="Change nothing; show the plan.")
@url_option
@yes_option
@invocation
def command(
    call: Invocation,
    services: tuple[str, ...],
    budget: float | None,
    jobs: int,
    url: str | None,
    *,
    everything: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Vacuum the tables that need it, most urgent first; never VACUUM FULL.

    \b
    Example:  dbkit vacuum order --budget 10min --jobs 2
    \b
    Exit codes: 0 done, or nothing needs it · 1 a table could not be vacuumed
    """
    from dbkit.maintain.vacuum import plan_vacuum
    from dbkit.postgres.connect import Database

    if not dry_run:
        call.confirm(call.targets(services, url), "vacuum what needs it", yes=yes)
    report: list[dict[str, Any]] = []
    failed = False
    with call.reach(services, url) as places:
        for place in places:
            if not isinstance(place, Database):
                continue
            steps = plan_vacuum(place, everything=everything)
            entry: dict[str, Any] = {"service": place.name, "plan": [asdict(step) for step in steps]}
            if not steps:
                call.output.event(place.name, "ok", "no table needs it")
            elif dry_run:
                for step in steps:
                    call.output.event(place.name, "pending", step.command, note=step.reason)
            else:
                results = _run(call, place, budget, jobs, everything=everything)
                entry["results"] = [asdict(result) for result in results]
                failed = failed or any(result.outcome == "failed" for result in results)
            report.append(entry)
    if call.output.as_json:
        call.output.document({"services": report})
    if failed:
        raise click.exceptions.Exit(1)


def _run(call: Invocation, place: Database, budget: float | None, jobs: int, *, everything: bool) -> list[VacuumResult]:
    from dbkit.maintain.vacuum import plan_vacuum, vacuum

    steps = plan_vacuum(place, everything=everything)

    def told(result: VacuumResult) -> None:
        progress.update(f"{place.name}: vacuumed {result.step.table}")
        call.output.event(place.name, result.outcome, result.step.table, result.seconds, note=_gain(result))

    with call.output.progress(f"{place.name}: vacuuming {len(steps)} tables") as progress:
        return vacuum(place, steps, budget=budget, jobs=jobs, done=told)


def _gain(result: VacuumResult) -> str:
    if result.message:
        return result.message
    freed = result.bytes_before - result.bytes_after
    dead = result.dead_rows_before - result.dead_rows_after
    gained = [f"{dead:,} dead rows removed"] if dead > 0 else []
    if freed > 0:
        gained.append(f"{freed / 1024:,.0f} kB given back")
    return ", ".join([*gained, result.step.reason])
