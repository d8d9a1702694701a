"""A run of `dbkit migrate`, line by line: what happened, what was noticed, what would be done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbkit.migrate.engine import Event
    from dbkit.migrate.plan import Plan
    from dbkit.project.target import Target
    from dbkit.report.console import Output

HEAD = 32  # digits of a hash that are shown: a line's worth, and more than anybody forges


def tell(output: Output, service: str, event: Event) -> None:
    """Write what happened, if a person wants to know it."""
    name = event.object.partition("/")[2]
    match event.kind:
        case "applied":
            output.event(service, "applied", name, event.seconds)
        case "in the way":
            output.event(service, "dropped", name, note=f"in the way of {event.text.partition('/')[2]}, made again below")
        case "waiting":
            output.note(f"{service}: waiting for another run: {event.text}")
        case "notice":
            output.note(f"{service}: {event.text}", style="dim")
        case "retrying":
            output.note(f"{service}: {name}: {event.text}", style="yellow")
        case "finished":
            output.note(f"{service}: journal head {event.text[:HEAD]}", style="dim")
        case "adopted":
            output.event(service, "adopted", name, note="stays as it is until its file changes")
        case "resumed" | "settled" | "pruned" | "recognised":
            output.event(service, event.kind, name, note=event.text)
        case _:
            pass


def remark(output: Output, target: Target, plan: Plan, *, pruned: bool) -> None:
    """Say what the run noticed and left alone."""
    if target.policy.out_of_order == "warn":
        for planned in plan.migrations:
            if planned.gap:
                output.note(f"{target.name}: warning: no migration has the number {planned.gap}", style="yellow")
            if planned.out_of_order:
                output.note(f"{target.name}: warning: {planned.migration.name} was applied out of order", style="yellow")
    for name in plan.cosmetic:
        output.event(target.name, "note", f"{name.partition('/')[2]} was reformatted since it was applied")
    for name in () if pruned else plan.routines.gone:
        output.event(target.name, "note", f"{name.partition('/')[2]} is deployed, but its file is gone: --prune drops it")
    for suspect in plan.routines.touched.changed:
        if suspect.routine not in plan.routines.pending:
            output.event(target.name, "changed", suspect.routine.partition("/")[2], note=suspect.told)


def show_plan(output: Output, name: str, plan: Plan, in_the_way: Sequence[Sequence[str]], *, overwrite: bool) -> list[str]:
    """Write what a run would do, a line each; return the ids. `in_the_way` is what each migration would drop first."""
    for planned, things in zip(plan.migrations, in_the_way, strict=True):
        remarks = ["out of order"] * planned.out_of_order + [f"{planned.gap} is missing"] * bool(planned.gap)
        output.event(name, "pending", planned.migration.name, note=", ".join([planned.measure, *remarks]))
        for thing in things:
            output.event(name, "in the way", thing, note=f"dropped for {planned.migration.name}, made again after it")
    for baseline in plan.recognised:
        output.event(name, "pending", baseline.name, note="what it squashes is applied: it is marked, not run")
    pending = [migration.id for migration in (*plan.recognised, *(planned.migration for planned in plan.migrations))]
    pending += plan.routines.pending
    if plan.routines.pending:
        output.event(name, "pending", count(len(plan.routines.pending), "routine"))
    for suspect in plan.routines.touched.changed:
        stops = ": a run stops at it" if suspect.routine in plan.routines.pending and not overwrite else ""
        output.event(name, "changed", suspect.routine.partition("/")[2], note=f"{suspect.told}{stops}")
    return pending


def summary(plan: Plan) -> str:
    """Count what is in."""
    deployed = sum(entry.kind == "routine" and entry.event == "deployed" for entry in plan.state.values())
    return f"{count(len(plan.applied), 'migration')}, {count(deployed, 'routine')}"


def count(number: int, noun: str) -> str:
    """Return `1 script`, `2 scripts`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
