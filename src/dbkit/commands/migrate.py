"""dbkit migrate"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dbkit.commands import Invocation, by_service, invocation, services_argument, url_option, yes_option
from dbkit.errors import ConfigurationError

if TYPE_CHECKING:
    from dbkit.fleet.migrate import Options
    from dbkit.migrate.engine import Event
    from dbkit.postgres.connect import Database
    from dbkit.postgres.journal import Run
    from dbkit.redis.connect import Store
    from dbkit.routines.decide import Decision


@click.command("migrate")
@services_argument
@click.option("--to", metavar="ID", help="Stop after this migration.")
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if anything is pending.")
@click.option("--dry-run", is_flag=True, help="Change nothing; show what would be done.")
@click.option("--adopt", is_flag=True, help="Routines that were changed by hand stay as they are until their files change again.")
@click.option("--overwrite", is_flag=True, help="Routines that were changed by hand become what their files say.")
@click.option("--prune", is_flag=True, help="Drop what routines made whose files are gone.")
@click.option("--lock-wait", type=float, default=60.0, show_default=True, metavar="SECONDS", help="How long to wait for another run.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Targets at a time, of a service that has many.")
@click.option(
    "--max-failures",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="Begin no more targets after so many have failed.",
)
@click.option("--resume", is_flag=True, help="Only the targets that the last run did not finish; the others are not even asked.")
@url_option
@yes_option
@invocation
def command(
    call: Invocation,
    services: tuple[str, ...],
    to: str | None,
    lock_wait: float,
    jobs: int | None,
    max_failures: int,
    url: str | None,
    *,
    check: bool,
    dry_run: bool,
    adopt: bool,
    overwrite: bool,
    prune: bool,
    resume: bool,
    yes: bool,
) -> None:
    """Apply what is pending: migrations, then changed routines and scripts.

    \b
    Each migration is one transaction together with its mark in the journal: killed at any
    moment, it is in or it is not, and running this again goes on.
    \b
    A routine that was changed by hand, and whose file changed too, stops the run with the
    difference before anything is done: --adopt or --overwrite decides.
    \b
    Where a service has many targets, the canaries come first, then the others side by side.
    \b
    Example:  dbkit migrate order --dry-run
    \b
    Exit codes: 0 done, or nothing to do · 1 a migration failed, or --check found work ·
    2 a file is wrong, nothing was changed · 4 another run holds the lock
    """
    if adopt and overwrite:
        raise ConfigurationError("--adopt and --overwrite are opposites", hint="give one of them")
    by_hand: Decision = "adopt" if adopt else "overwrite" if overwrite else "stop"
    if not (check or dry_run):
        call.confirm(call.targets(services, url), "apply what is pending", yes=yes)
    done, code = [], 0
    with call.reach(services, url) as reached:
        run = call.run()
        # scripts first: they come beside the old ones, and what commits next may call them
        for place, *others in by_service(sorted(reached, key=lambda place: place.target.engine != "redis")):
            if fleet := place.target.fleet:
                from dbkit.fleet.migrate import Options

                options = Options(
                    fleet.canary,
                    jobs or fleet.jobs,
                    max_failures,
                    resume=resume,
                    to=to,
                    lock_wait=lock_wait,
                    by_hand=by_hand,
                    orphans=prune,
                )
                found, code = _migrate_fleet(call, [place, *others], run, options, look=check or dry_run)
                done.append(found)
                if code:
                    break
            elif check or dry_run:
                done.append(_show(call, place, to, overwrite=overwrite))
            else:
                done.append(_migrate(call, place, run, to, lock_wait, by_hand, orphans=prune))
    if call.output.as_json:
        call.output.document({"services": done})
    if code:
        raise click.exceptions.Exit(code)
    if check and any(entry["pending"] for entry in done):
        raise click.exceptions.Exit(1)


def _migrate_fleet(
    call: Invocation, places: list[Database | Store], run: Run, options: Options, *, look: bool
) -> tuple[dict[str, object], int]:
    """Migrate all targets of a service, or look what is pending there; return what came of it, and the exit code."""
    import time

    from dbkit.fleet.migrate import look_at_fleet, migrate_fleet
    from dbkit.postgres.connect import Database
    from dbkit.project.manifest import bare
    from dbkit.report import fleet

    databases = [place for place in places if isinstance(place, Database)]
    service, started, told = bare(databases[0].service), time.monotonic(), set[str]()

    def heard(target: str, event: Event) -> None:
        if event.kind in {"waiting", "retrying", "resumed", "settled"} or (event.kind == "notice" and event.text not in told):
            told.add(event.text)
            call.output.note(f"{target}: {event.kind}: {event.text}", style="yellow" if event.kind == "retrying" else "dim")

    with fleet.bar(call.output, service, len(databases), lines=not look) as advance:
        if look:
            summary = look_at_fleet(databases, options, lambda outcome: advance(outcome.state))
        else:
            summary = migrate_fleet(databases, run, options, lambda outcome: advance(outcome.state), heard)
    fleet.show(call.output, service, summary.outcomes, time.monotonic() - started)
    if not look:
        fleet.show_left(call.output, service, summary.outcomes)
    pending = sorted(
        {name for outcome in summary.outcomes if outcome.state == "pending" for name in (*outcome.migrations, *outcome.routines)}
    )
    return fleet.document(service, summary.outcomes) | {"pending": pending}, summary.exit_code


def _migrate(
    call: Invocation, place: Database | Store, run: Run, to: str | None, lock_wait: float, by_hand: Decision, *, orphans: bool
) -> dict[str, object]:
    from dbkit.redis.connect import Store

    if isinstance(place, Store):
        return _release(call, place, run, to, lock_wait)
    import time

    from dbkit.migrate.run import migrate
    from dbkit.report.run import count, remark, summary, tell

    started = time.monotonic()
    routines: list[str] = []
    with call.output.progress(f"{place.name}: comparing files and journal") as progress:

        def told(event: Event) -> None:
            progress.update(f"{place.name}: {event.kind} {event.object.partition('/')[2]}")
            if event.kind == "deployed":
                routines.append(event.object)
            else:
                tell(call.output, place.name, event)

        plan = migrate(place, run, told, to=to, lock_wait=lock_wait, by_hand=by_hand, orphans=orphans)
    if routines:
        call.output.event(place.name, "deployed", count(len(routines), "routine"), time.monotonic() - started)
    if plan.is_empty:
        call.output.event(place.name, "up to date", summary(plan))
    remark(call.output, place.target, plan, pruned=orphans)
    return {"service": place.name, "applied": [p.migration.id for p in plan.migrations], "deployed": routines, "pending": []}


def _release(call: Invocation, store: Store, run: Run, to: str | None, lock_wait: float) -> dict[str, object]:
    from dbkit.redis.migrate import migrate
    from dbkit.report.redis import Teller

    with store.connect() as client, call.output.progress(f"{store.name}: comparing files and journal") as progress:
        told = Teller(call.output, store.name, progress)
        done = migrate(store, client, run.as_fields, told, to=to, lock_wait=lock_wait)
    if done.is_empty:
        call.output.event(store.name, "up to date", "")
    loaded = [script.name for script in done.scripts]
    return {"service": store.name, "applied": [m.name for m in done.migrations], "loaded": loaded, "pending": []}


def _show(call: Invocation, place: Database | Store, to: str | None, *, overwrite: bool) -> dict[str, object]:
    """Print what a run would do, and return it."""
    from dbkit.redis.connect import Store
    from dbkit.report.run import show_plan

    if isinstance(place, Store):
        return _show_release(call, place, to)
    from dbkit.migrate.plan import make_plan
    from dbkit.routines.obstacles import Obstacles
    from dbkit.routines.plan import deployed

    with place.connect("plan") as connection:
        plan = make_plan(place, connection, to=to, overwrite=overwrite)
        obstacles = Obstacles(connection, place.target, deployed(plan.state, "after"))
        in_the_way = [obstacles.named(planned.statements) for planned in plan.migrations]
    pending = show_plan(call.output, place.name, plan, in_the_way, overwrite=overwrite)
    if not pending:
        call.output.event(place.name, "up to date", "")
    return {"service": place.name, "pending": pending}


def _show_release(call: Invocation, store: Store, to: str | None) -> dict[str, object]:
    """Print what would be loaded, which migrations are pending, and for how many keys."""
    from dbkit.redis.migrate import plan_release
    from dbkit.redis.sweep import sample
    from dbkit.report.run import count

    keys: dict[str, dict[str, object]] = {}
    with store.connect() as client:
        plan = plan_release(store, client, to)
        if plan.scripts:
            call.output.event(store.name, "pending", count(len(plan.scripts), "script"))
        for migration in plan.migrations:
            seen = sample(client, migration.script.header)
            keys[migration.name] = {"matching": seen.matching, "keys": seen.keys, "exact": seen.is_exact}
            about = "" if seen.is_exact else "about "
            call.output.event(store.name, "pending", migration.name, note=f"for {about}{seen.matching} of {seen.keys} keys")
    if plan.is_empty:
        call.output.event(store.name, "up to date", "")
    pending = [script.name for script in plan.scripts] + [migration.name for migration in plan.migrations]
    return {"service": store.name, "pending": pending, "keys": keys}
