"""Text for people: aligned, coloured where it means something, plain where it is piped."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {
    "applied": "green",
    "deployed": "green",
    "loaded": "green",
    "ok": "green",
    "passed": "green",
    "up to date": "green",
    "pending": "yellow",
    "warning": "yellow",
    "changed": "red",
    "missing": "red",
    "failed": "bold red",
    "refused": "red",
    "critical": "bold red",
    "error": "bold red",
    "interrupted": "red",
    "unknown": "magenta",
    "rolled back": "yellow",
    "dropped": "yellow",
    "info": "cyan",
}


def console(*, stderr: bool = False) -> Console:
    """Return a console that is plain without a terminal or with NO_COLOR."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 10_000  # what is piped is never wrapped
    return Console(file=stream, highlight=False, soft_wrap=not stream.isatty(), width=width, emoji=False)


def is_plain(stream: TextIO) -> bool:
    """Say whether text goes there as it is: to what is no terminal, unless FORCE_COLOR is set. Rich, slow to import, is not needed then."""
    return not (stream.isatty() or os.environ.get("FORCE_COLOR"))


def error_console() -> Console:
    """Return the console on standard error."""
    return console(stderr=True)


def relative(where: str | None) -> str | None:
    """Shorten a path below the current folder."""
    if where is None:
        return None
    here = f"{Path.cwd()}/"
    return where.removeprefix(here)


class Output:
    """Where a command's results go: rows and lines for people, or one JSON document."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json = as_json
        self.quiet = quiet

    @cached_property
    def out(self) -> Console:
        return console()

    @cached_property
    def err(self) -> Console:
        return console(stderr=True)

    def document(self, value: Any) -> None:
        """Write the one JSON document of a run."""
        sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")

    def line(self, text: str = "", style: str | None = None) -> None:
        """Write one line for people."""
        if self.as_json or self.quiet:
            return
        if is_plain(sys.stdout):
            click.echo(text)
        else:
            self.out.print(text, style=style, markup=False)

    def note(self, text: str, style: str | None = None) -> None:
        """Write one line about the run itself, to standard error."""
        if self.quiet:
            return
        if is_plain(sys.stderr):
            click.echo(text, err=True)
        else:
            self.err.print(text, style=style, markup=False)

    def event(self, subject: str, verb: str, what: str, seconds: float | None = None, note: str = "") -> None:
        """Write one aligned line of a run: who, what was done, to what, how long it took."""
        if self.as_json or self.quiet:
            return
        pieces = [(f"{subject:<10} ", "bold"), (f"{verb:<11} ", STYLES.get(verb, "")), (f"{what:<44}", "not bold")]
        if seconds is not None:
            pieces.append((f" {seconds:6.2f} s", "dim"))
        if note:
            pieces.append((f"  {note}", "dim"))
        if is_plain(sys.stdout):
            click.echo("".join(text for text, _ in pieces).rstrip())
            return
        from rich.text import Text

        line = Text.assemble(*pieces)
        line.rstrip()
        self.out.print(line)

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Sequence[str] = (), status: str | None = None) -> None:
        """Write an aligned table; numbers of the columns in `right` are right-aligned.

        `status` names the column whose value gives the row's colour.
        """
        if self.as_json or self.quiet:
            return
        if is_plain(sys.stdout):
            click.echo("\n".join(_aligned(headers, rows, right)))
            return
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
        for header in headers:
            table.add_column(header, justify="right" if header in right else "left", overflow="fold")
        index = headers.index(status) if status else -1
        for row in rows:
            cells = [Text("" if cell is None else str(cell)) for cell in row]
            if status:
                cells[index].stylize(STYLES.get(str(row[index]), ""))
            table.add_row(*cells)
        with self.out.capture() as capture:
            self.out.print(table)
        for line in capture.get().splitlines():
            sys.stdout.write(line.rstrip() + "\n")  # the padding of the last column would wrap

    @contextmanager
    def progress(self, text: str) -> Iterator[Progress]:
        """Show what is going on while it lasts, on a terminal only."""
        if self.as_json or self.quiet or not sys.stderr.isatty():
            yield Progress(None)
            return
        with self.err.status(text, spinner="dots") as status:
            yield Progress(status)


def _aligned(headers: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a table: a cell's lines stand below one another."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    lines = [list(headers), *(list(line) for row in cells for line in zip_longest(*(cell.split("\n") for cell in row), fillvalue=""))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for number, line in enumerate(lines):
        padded = (
            cell.rjust(width) if header in right else cell.ljust(width) for cell, width, header in zip(line, widths, headers, strict=True)
        )
        yield (" " * 3).join(padded).rstrip()
        if number == 0:
            yield "─" * (sum(widths) + 3 * (len(widths) - 1))


class Progress:
    """The line that says what is going on."""

    def __init__(self, status: Any) -> None:
        self._status = status

    def update(self, text: str) -> None:
        if self._status:
            self._status.update(text)
