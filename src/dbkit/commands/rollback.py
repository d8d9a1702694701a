"""dbkit rollback"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dbkit.commands import Invocation, invocation, service_argument, url_option, yes_option
from dbkit.errors import ConfigurationError

if TYPE_CHECKING:
    from dbkit.migrate.engine import Event
    from dbkit.postgres.connect import Database
    from dbkit.redis.connect import Store


@click.command("rollback")
@service_argument
@click.option("--to", metavar="ID", help="Undo what came after this migration; 0 undoes all.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Undo the last N (default: 1).")
@click.option("--dry-run", is_flag=True, help="Change nothing; show what would be undone, and with which SQL.")
@click.option("--lock-wait", type=float, default=60.0, show_default=True, metavar="SECONDS", help="How long to wait for another run.")
@url_option
@yes_option
@invocation
def command(
    call: Invocation,
    service: str,
    to: str | None,
    steps: int | None,
    lock_wait: float,
    url: str | None,
    *,
    dry_run: bool,
    yes: bool,
) -> None:
    """Undo migrations, newest first, from the text that was stored when they were applied.

    \b
    Each is one transaction; the routines of that time come back with it. Where any stored
    text is missing, nothing is undone.
    \b
    Example:  dbkit rollback order --to 0002
    \b
    Exit codes: 0 done · 1 a rollback failed, the newer ones stay undone · 2 there is no way back
    """
    if to is not None and steps is not None:
        raise ConfigurationError("--to and --steps say the same thing twice", hint="give one of them")
    if not dry_run:
        call.confirm(call.targets((service,), url), f"roll {service} back", yes=yes)
    with call.reach_one(service, url) as place:
        undone = _show(call, place, to, steps) if dry_run else _undo(call, place, to, steps, lock_wait)
    if call.output.as_json:
        call.output.document({"service": service, "undone" if not dry_run else "would_undo": undone})
    elif not undone:
        call.output.event(service, "up to date", "nothing is applied, so there is nothing to undo")


def _show(call: Invocation, place: Database | Store, to: str | None, steps: int | None) -> list[str]:
    from dbkit.redis.connect import Store

    texts: list[tuple[str, str]]
    if isinstance(place, Store):
        from dbkit.redis import migrate as on_redis

        with place.connect() as client:
            texts = [(undo.name, undo.text) for undo in on_redis.plan_rollback(place, client, to=to, steps=steps)]
    else:
        from dbkit.migrate.rollback import plan_rollback

        with place.connect("rollback") as connection:
            texts = [(undo.id, undo.shown) for undo in plan_rollback(place, connection, to=to, steps=steps)]
    for name, text in texts:
        call.output.line(f"-- {name}", style="bold")
        call.output.line(text)
    return [name for name, _ in texts]


def _undo(call: Invocation, place: Database | Store, to: str | None, steps: int | None, lock_wait: float) -> list[str]:
    from dbkit.redis.connect import Store

    if isinstance(place, Store):
        from dbkit.redis import migrate as on_redis
        from dbkit.report.redis import Teller

        who = call.run().as_fields
        with place.connect() as client, call.output.progress(f"{place.name}: reading the journal") as progress:
            told = Teller(call.output, place.name, progress)
            undone = on_redis.rollback(place, client, who, told, to=to, steps=steps, lock_wait=lock_wait)
        return [undo.name for undo in undone]
    from dbkit.migrate.rollback import rollback

    undos = rollback(place, call.run(), lambda event: _tell(call, place.name, event), to=to, steps=steps, lock_wait=lock_wait)
    return [undo.id for undo in undos]


def _tell(call: Invocation, service: str, event: Event) -> None:
    match event.kind:
        case "rolled back":
            call.output.event(service, event.kind, event.object.partition("/")[2], event.seconds)
        case "waiting":
            call.output.note(f"{service}: waiting for another run: {event.text}")
        case "finished":
            call.output.note(f"{service}: journal head {event.text}", style="dim")
        case _:
            call.output.note(f"{service}: {event.text}")
