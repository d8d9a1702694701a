"""The scorecard of the fault matrix: a line a fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dbkit.report.console import Output
    from dbkit.selftest import Kills, Verdict

STYLES = {"survived": "green", "failed": "bold red", "not run": "yellow"}


def show_verdict(verdict: Verdict, output: Output) -> None:
    """Write number, verdict, seconds and what was done; below it what must be true and was not, or what is missing."""
    if output.as_json or output.quiet:
        return
    from rich.text import Text

    text = Text(f"{verdict.number:>2} ", style="bold")
    shown = "FAILED" if verdict.state == "failed" else verdict.state
    text.append(f"{shown:<9}", style=STYLES[verdict.state])
    text.append(f"{verdict.seconds:5.1f} s  ", style="dim")
    text.append(verdict.title, style="not bold")
    output.out.print(text)
    if verdict.state == "failed":
        _below(output, f"must: {verdict.must}")
    if verdict.seen:
        _below(output, f"{'seen' if verdict.state == 'failed' else 'missing'}: {verdict.seen}")


def _below(output: Output, text: str) -> None:
    """Write an indented text, as wide as the terminal."""
    import textwrap

    for line in text.splitlines():
        for piece in textwrap.wrap(line, output.out.width - 1, initial_indent=" " * 21, subsequent_indent=" " * 23):
            output.line(piece)


def show_totals(verdicts: Sequence[Verdict], output: Output) -> None:
    """Write how many were survived."""
    if not verdicts:
        return
    counts = Counter(verdict.state for verdict in verdicts)
    parts = [f"{counts[state]} {'FAILED' if state == 'failed' else state}" for state in ("survived", "failed", "not run") if counts[state]]
    output.line(f"{len(verdicts)} fault{'' if len(verdicts) == 1 else 's'}: {', '.join(parts)}")


def show_kills(kills: Kills, output: Output) -> None:
    """Write how many kills there were, where they met the runs, and what was not as in a straight run."""
    histories = f"{kills.histories} histor{'y' if kills.histories == 1 else 'ies'}"
    output.line(f"kill -9, {kills.made} time{'' if kills.made == 1 else 's'} in {histories}, {kills.seconds:.0f} s, seed {kills.seed}")
    for where, count in kills.landed.most_common():
        output.line(f"{count:>5}  {where}")
    for problem in kills.problems:
        output.line(f"FAILED {problem}", style="bold red")
    if not kills.problems:
        output.line("each ended with the catalog, journal and data of a run that nobody disturbed", style="green")


def as_document(verdicts: Sequence[Verdict], kills: Kills | None) -> dict[str, Any]:
    """Return the same as plain values."""
    return {
        "faults": [
            {
                "number": verdict.number,
                "title": verdict.title,
                "must": verdict.must,
                "verdict": verdict.state,
                "seen": verdict.seen,
                "seconds": round(verdict.seconds, 2),
            }
            for verdict in verdicts
        ],
        "kills": kills
        and {
            "seed": kills.seed,
            "kills": kills.made,
            "histories": kills.histories,
            "landed": dict(kills.landed),
            "problems": kills.problems,
            "seconds": round(kills.seconds, 1),
        },
    }
