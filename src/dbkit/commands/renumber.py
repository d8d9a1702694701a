"""dbkit renumber"""

from __future__ import annotations

import click

from dbkit.commands import Invocation, invocation, postgres_only, service_argument
from dbkit.errors import ConfigurationError, DbkitError


@click.command("renumber")
@service_argument
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--base", metavar="REV", help="What this revision has keeps its number (default: the default branch).")
@click.option("--dry-run", is_flag=True, help="Change nothing; show each rename.")
@invocation
def command(call: Invocation, service: str, names: tuple[str, ...], base: str | None, *, dry_run: bool) -> None:
    """Give migrations whose number another branch took the next free ones.

    Without a NAME those move that git does not find in the base; outside of a checkout, those that
    are not applied. The rollback moves along, and so does the name in `-- depends:`.

    \b
    Example:  dbkit renumber order --dry-run
    \b
    Exit codes: 0 done, or nothing to do · 2 one of them is applied, or nobody can tell which are new
    """
    from dbkit.draft import new_since, plan_renumber, renumber

    postgres_only(call, service)
    applied = _applied(call, service)
    moving = list(names) or new_since(call.project, service, base)
    if moving is None:
        moving = _not_applied(call, service, applied)
    renames = plan_renumber(call.project, service, moving, applied or ())
    for rename in renames:
        call.output.event(service, "would move" if dry_run else "renamed", rename.old, note=f"to {rename.new}")
    edited = [] if dry_run else renumber(call.project, service, renames)
    for path in edited:
        call.output.event(service, "edited", path.name, note="its `-- depends:`")
    if not renames:
        call.output.event(service, "up to date", "every number is there once, in order")
    if call.output.as_json:
        call.output.document({"service": service, "dry_run": dry_run, "renamed": [{"from": r.old, "to": r.new} for r in renames]})


def _applied(call: Invocation, service: str) -> set[str] | None:
    """Return the names that the target's journal says are applied; None, with a note, where it can't be asked."""
    from dbkit.migrate.applied import IS_APPLIED
    from dbkit.postgres import journal

    try:
        with call.reach_database(service) as database, database.connect("renumber") as connection:
            state = journal.state(connection, service)
    except DbkitError as exc:
        call.output.note(f"{service}: nobody was asked whether one of them is applied: {exc.message}", style="yellow")
        return None
    return {name.partition("/")[2] for name, entry in state.items() if entry.kind == "migration" and entry.event in IS_APPLIED}


def _not_applied(call: Invocation, service: str, applied: set[str] | None) -> list[str]:
    from dbkit.draft import stems

    if applied is None:
        raise ConfigurationError(
            "neither git nor a target says which migrations are new", hint=f"name those that shall move: dbkit renumber {service} NAME"
        )
    return [stem for stem in stems(call.project, service) if stem not in applied]
