"""dbkit migrate"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dbkit.commands import Invocation, invocation, services_argument, url_option, yes_option

if TYPE_CHECKING:
    from dbkit.migrate import Event, Plan
    from dbkit.postgres.connect import Database
    from dbkit.postgres.journal import Run
    from dbkit.redis.connect import Store


@click.command("migrate")
@services_argument
@click.option("--to", metavar="ID", help="Stop after this migration.")
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if anything is pending.")
@click.option("--dry-run", is_flag=True, help="Change nothing; show what would be done.")
@click.option("--lock-wait", type=float, default=60.0, show_default=True, metavar="SECONDS", help="How long to wait for another run.")
@url_option
@yes_option
@invocation
def command(
    call: Invocation,
    services: tuple[str, ...],
    to: str | None,
    lock_wait: float,
    url: str | None,
    *,
    check: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Apply what is pending: migrations, then changed routines and scripts.

    \b
    Each migration is one transaction together with its mark in the journal: killed at any
    moment, it is in or it is not, and running this again goes on.
    \b
    Example:  dbkit migrate order --dry-run
    \b
    Exit codes: 0 done, or nothing to do · 1 a migration failed, or --check found work ·
    2 a file is wrong, nothing was changed · 4 another run holds the lock
    """
    if not (check or dry_run):
        call.confirm(call.targets(services, url), "apply what is pending", yes=yes)
    done = []
    with call.reach(services, url) as reached:
        run = call.run()
        for place in reached:
            if check or dry_run:
                done.append(_show(call, place, to))
            else:
                done.append(_migrate(call, place, run, to, lock_wait))
    if call.output.as_json:
        call.output.document({"services": done})
    if check and any(entry["pending"] for entry in done):
        raise click.exceptions.Exit(1)


def _migrate(call: Invocation, place: Database | Store, run: Run, to: str | None, lock_wait: float) -> dict[str, object]:
    from dbkit.redis.connect import Store

    if isinstance(place, Store):
        return _load(call, place)
    import time

    from dbkit.migrate import migrate

    started = time.monotonic()
    routines: list[str] = []
    with call.output.progress(f"{place.service}: comparing files and journal") as progress:

        def told(event: Event) -> None:
            progress.update(f"{place.service}: {event.kind} {event.object.partition('/')[2]}")
            if event.kind == "deployed":
                routines.append(event.object)
            else:
                _tell(call, place.service, event)

        plan = migrate(place, run, told, to=to, lock_wait=lock_wait)
    if routines:
        call.output.event(place.service, "deployed", _count(len(routines), "routine"), time.monotonic() - started)
    if plan.is_empty:
        call.output.event(place.service, "up to date", _summary(plan))
    _remark(call, place, plan)
    return {"service": place.service, "applied": [p.migration.id for p in plan.migrations], "deployed": routines, "pending": []}


def _remark(call: Invocation, place: Database, plan: Plan) -> None:
    """Say what the run noticed and left alone."""
    if place.target.policy.out_of_order == "warn":
        for planned in plan.migrations:
            if planned.out_of_order:
                call.output.note(f"{place.service}: warning: {planned.migration.name} was applied out of order", style="yellow")
    for name in plan.cosmetic:
        call.output.event(place.service, "note", f"{name.partition('/')[2]} was reformatted since it was applied")
    for name in plan.routines.gone:
        call.output.event(place.service, "note", f"{name.partition('/')[2]} is deployed, but its file is gone")


def _tell(call: Invocation, service: str, event: Event) -> None:
    name = event.object.partition("/")[2]
    match event.kind:
        case "applied":
            call.output.event(service, "applied", name, event.seconds)
        case "in the way":
            call.output.event(service, "dropped", name, note=f"in the way of {event.text.partition('/')[2]}, made again below")
        case "waiting":
            call.output.note(f"{service}: waiting for another run: {event.text}")
        case "notice":
            call.output.note(f"{service}: {event.text}", style="dim")
        case "retrying":
            call.output.note(f"{service}: {name}: {event.text}", style="yellow")
        case "finished":
            call.output.note(f"{service}: journal head {event.text}", style="dim")
        case "resumed" | "settled":
            call.output.event(service, event.kind, name, note=event.text)
        case _:
            pass


def _load(call: Invocation, store: Store) -> dict[str, object]:
    import time

    from dbkit.redis.scripts import load, load_scripts, loaded

    project, started = store.target.project, time.monotonic()
    scripts = load_scripts(project, store.service)
    with store.connect() as client:
        before = loaded(client, project, store.service, scripts)
        if before.is_current:
            call.output.event(store.service, "up to date", _count(len(scripts), "script"))
            return {"service": store.service, "loaded": [], "pending": []}
        load(client, project, store.service, scripts)
    call.output.event(store.service, "loaded", _count(len(scripts), "script"), time.monotonic() - started)
    return {"service": store.service, "loaded": [script.name for script in scripts], "pending": []}


def _show(call: Invocation, place: Database | Store, to: str | None) -> dict[str, object]:
    """Print what a run would do, and return it."""
    from dbkit.redis.connect import Store

    pending: list[str] = []
    if isinstance(place, Store):
        from dbkit.redis.scripts import load_scripts, loaded

        scripts = load_scripts(place.target.project, place.service)
        with place.connect() as client:
            found = loaded(client, place.target.project, place.service, scripts)
        pending = [] if found.is_current else [script.name for script in scripts]
    else:
        from dbkit.migrate import make_plan

        with place.connect("plan") as connection:
            plan = make_plan(place, connection, to=to)
        for planned in plan.migrations:
            note = f"{_count(planned.count, 'statement')}{', out of order' if planned.out_of_order else ''}"
            call.output.event(place.service, "pending", planned.migration.name, note=note)
        pending = [planned.migration.id for planned in plan.migrations]
        routines = [routine.id for routine in (*plan.routines.before, *plan.routines.after)]
        pending += routines
        if routines:
            call.output.event(place.service, "pending", _count(len(routines), "routine"))
    if isinstance(place, Store) and pending:
        call.output.event(place.service, "pending", _count(len(pending), "script"))
    if not pending:
        call.output.event(place.service, "up to date", "")
    return {"service": place.service, "pending": pending}


def _summary(plan: Plan) -> str:
    deployed = sum(entry.kind == "routine" and entry.event == "deployed" for entry in plan.state.values())
    return f"{_count(len(plan.applied), 'migration')}, {_count(deployed, 'routine')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
