"""dbkit unlock"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dbkit.commands import Invocation, invocation, postgres_only, service_argument, url_option, yes_option

if TYPE_CHECKING:
    from dbkit.migrate.unlock import Holder


@click.command("unlock")
@service_argument
@click.option("--kill", is_flag=True, help="End the sessions that hold the lock.")
@url_option
@yes_option
@invocation
def command(call: Invocation, service: str, url: str | None, *, kill: bool, yes: bool) -> None:
    """Show who holds a database's lock, and with --kill end that session.

    \b
    The server frees the lock of a run that died by itself, within a second or two: this is for
    one that lives and should not. What it was doing is rolled back or resumed by the next run.
    \b
    Example:  dbkit unlock order --kill
    \b
    Exit codes: 0 done, or nobody holds it · 1 the session could not be ended
    """
    from dbkit.migrate.unlock import end_sessions, holders

    postgres_only(call, service)
    if kill:
        call.confirm(call.targets((service,), url), f"end the run that holds the lock of {service}", yes=yes)
    with call.reach_database(service, url) as database:
        found = end_sessions(database) if kill else holders(database)
    for holder in found:
        call.output.event(service, "ended" if kill else "held", f"{holder.key} lock", note=_described(holder))
    if not found:
        call.output.event(service, "free", "", note="nobody holds the lock")
    if call.output.as_json:
        call.output.document({"service": service, "ended" if kill else "holders": [_document(holder) for holder in found]})


def _described(holder: Holder) -> str:
    since = f", connected for {holder.seconds} s" if holder.seconds is not None else ""
    doing = f", {holder.state}: {holder.statement}" if holder.statement else ""
    who = f"pid {holder.pid} ({holder.application}, {holder.user}, {holder.host}" if holder.pid else holder.application
    return f"{who}{since}){doing}" if holder.pid else who


def _document(holder: Holder) -> dict[str, object]:
    return {"lock": holder.key, "pid": holder.pid, "application": holder.application, "host": holder.host, "user": holder.user}
