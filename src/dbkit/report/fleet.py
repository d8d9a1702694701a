"""Many targets of a service: a bar while they are worked on, one line a state at the end, each failure with its targets."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dbkit.report.errors import error_document, show_error

if TYPE_CHECKING:
    from dbkit.errors import DbkitError
    from dbkit.fleet.migrate import Outcome
    from dbkit.report.console import Output

NAMED = 8


@contextmanager
def bar(output: Output, service: str, total: int, *, lines: bool) -> Iterator[Callable[[str], None]]:
    """Show how many targets have come to which state: a bar on a terminal, else (with `lines`) a line at each tenth.

    Call it with a state.
    """
    counts: Counter[str] = Counter()
    if output.as_json or output.quiet or not sys.stderr.isatty():
        tenth = max(total // 10, 1)

        def line(state: str) -> None:
            counts[state] += 1
            done = counts.total()
            if lines and (done % tenth == 0 or done == total):
                output.note(f"{service}: {done} of {total} targets: {_counted(counts)}")

        yield line
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[counts]}"),
    )
    with Progress(*columns, console=output.err, transient=True) as progress:
        task = progress.add_task(service, total=total, counts="")

        def advance(state: str) -> None:
            counts[state] += 1
            progress.update(task, advance=1, counts=_counted(counts))

        yield advance


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {state}" for state, number in counts.most_common())


def show(output: Output, service: str, outcomes: tuple[Outcome, ...], seconds: float) -> None:
    """Write one line a state, or for each that something else is pending on; then each error once with the targets that it stopped."""
    found: dict[tuple[int, str], list[str]] = {}
    for outcome in outcomes:
        pending = _pending(outcome) if outcome.state == "pending" else ""
        found.setdefault((ORDER.index(outcome.state), pending), []).append(outcome.target.partition("@")[2])
    for (index, pending), names in sorted(found.items()):
        state = ORDER[index]
        what = f"{len(names)} target{'' if len(names) == 1 else 's'}"
        if state in TOLD_BY_NAME:
            what += f": {few(names)}"
        output.event(service, state, what, seconds if state == "applied" else None, note=pending)
    if not output.as_json:
        _show_errors(outcomes)


def _pending(outcome: Outcome) -> str:
    names = [name.partition("/")[2] for name in outcome.migrations]
    routines = len(outcome.routines)
    return ", ".join(filter(None, [few(names), f"{routines} routine{'' if routines == 1 else 's'}" if routines else ""]))


ORDER = ["done before", "up to date", "pending", "applied", "failed", "unreachable", "locked", "interrupted", "not reached"]
TOLD_BY_NAME = {"failed", "unreachable", "locked", "interrupted"}


def few(names: list[str]) -> str:
    """List the names, as many as help."""
    return f"{', '.join(names[:NAMED])}{' …' if len(names) > NAMED else ''}"


def _show_errors(outcomes: tuple[Outcome, ...]) -> None:
    from dbkit.report.console import error_console

    found: dict[tuple[str, str | None], tuple[DbkitError, list[str]]] = {}
    for outcome in outcomes:
        if outcome.error:
            found.setdefault((outcome.error.message, outcome.error.where), (outcome.error, []))[1].append(outcome.target)
    console = error_console()
    for error, targets in found.values():
        show_error(error, as_json=False)
        console.print("  on ", style="cyan", end="")
        console.print(", ".join(targets), markup=False)


def show_left(output: Output, service: str, outcomes: tuple[Outcome, ...]) -> None:
    """Say how to go on."""
    left = sum(outcome.error is not None or outcome.state == "not reached" for outcome in outcomes)
    if left:
        output.note(f"{service}: {left} of {len(outcomes)} left; `dbkit migrate {service} --resume` goes on with them")


def document(service: str, outcomes: tuple[Outcome, ...]) -> dict[str, Any]:
    """Return the outcomes as JSON has them: every target, in the order in which they are listed."""
    return {
        "service": service,
        "counts": Counter(outcome.state for outcome in outcomes),
        "targets": [
            {
                "target": outcome.target,
                "state": outcome.state,
                "migrations": outcome.migrations,
                "routines": outcome.routines,
                "seconds": round(outcome.seconds, 3),
                "error": error_document(outcome.error) if outcome.error else None,
            }
            for outcome in outcomes
        ],
    }


def alike(service: str, documents: list[dict[str, Any]], columns: list[str]) -> list[dict[str, Any]]:
    """Return one row for all targets that look alike but for when; one that is like no other keeps its name."""
    rows: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for document in documents:
        rows.setdefault(tuple(document[key] for key in columns if key != "last"), []).append(document)
    return [
        same[0] if len(same) == 1 else same[0] | {"service": f"{service} ({len(same)})", "last": max(document["last"] for document in same)}
        for same in rows.values()
    ]


def together(service: str, items: list[tuple[str, tuple[str, str, str]]]) -> list[tuple[str, tuple[str, str, str]]]:
    """Return each item (state, what, note) once, with the targets that have it."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for target, item in items:
        found.setdefault(item, []).append(target)
    return [
        (targets[0], item)
        if len(targets) == 1
        else (f"{service} ({len(targets)})", (*item[:2], f"{item[2]} on {few([name.partition('@')[2] for name in targets])}".strip()))
        for item, targets in found.items()
    ]
