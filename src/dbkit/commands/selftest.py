"""dbkit selftest"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dbkit.commands import Invocation, invocation
from dbkit.errors import ConfigurationError

if TYPE_CHECKING:
    from dbkit.project.manifest import Environment
    from dbkit.selftest import Kills, Verdict


@click.command("selftest")
@click.argument("faults", metavar="[NUMBER]...", nargs=-1, type=int)
@click.option(
    "--kills", type=click.IntRange(min=0), default=0, metavar="N", help="Also kill -9 runs of a mixed history N times, at random moments."
)
@click.option("--seed", type=int, metavar="S", help="Draw the moments of the kills as an earlier selftest did.")
@click.option("--strict", is_flag=True, help="A fault that could not be run here counts as not survived.")
@click.option("--url", metavar="URL", help="An empty server of yours, as a superuser, in place of a throw-away one.")
@invocation
def command(call: Invocation, faults: tuple[int, ...], kills: int, seed: int | None, url: str | None, *, strict: bool) -> None:
    """Break things on a throw-away server, and look whether dbkit survives: the fault matrix.

    \b
    Runs are killed, connections cut, disks filled, files spoilt, each in a database of its own; then
    catalog, data and journal are looked at. One line a fault; with --kills, where the kills met the runs.
    \b
    Example:  dbkit selftest 4 5 11 --kills 20
    \b
    Exit codes: 0 all was survived · 1 something was not · 2 the server is not empty, or not ours to break
    """
    from dbkit.report.scorecard import as_document, show_kills, show_totals, show_verdict
    from dbkit.selftest import arena, chosen, kill_cycles, load_faults, run_faults

    rows = chosen(load_faults(), faults)
    verdicts: list[Verdict] = []
    killed: Kills | None = None
    with call.output.progress("starting a server") as progress, arena(_settings(call), url) as place:
        for verdict in run_faults(place, rows):
            verdicts.append(verdict)
            progress.update(f"{len(verdicts)} of {len(rows)} faults")
            show_verdict(verdict, call.output)
        show_totals(verdicts, call.output)
        if kills:
            drawn = seed if seed is not None else _draw()
            killed = kill_cycles(
                place, kills, drawn, lambda now: progress.update(f"{now.made} of {now.wanted} kills, {now.histories} histories")
            )
            show_kills(killed, call.output)
    if call.output.as_json:
        call.output.document(as_document(verdicts, killed))
    bad = {"failed", "not run"} if strict else {"failed"}
    if any(verdict.state in bad for verdict in verdicts) or (killed and killed.problems):
        raise click.exceptions.Exit(1)


def _settings(call: Invocation) -> Environment:
    """Return which server to start: that of the project where we are, where it is an embedded one, else ours."""
    from dbkit.project.manifest import Environment
    from dbkit.project.target import environment_of

    try:
        settings = environment_of(call.project, call.environment)[1]
    except ConfigurationError:
        if call.folder:
            raise
        return Environment(server="embedded")
    return settings


def _draw() -> int:
    import secrets

    return secrets.randbelow(1_000_000)
