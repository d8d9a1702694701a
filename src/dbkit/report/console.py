"""Text for people: aligned, coloured where it means something, plain where it is piped."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
        if not self.as_json and not self.quiet:
            self.out.print(text, style=style, markup=False)

    def note(self, text: str, style: str | None = None) -> None:
        """Write one line about the run itself, to standard error."""
        if not self.quiet:
            self.err.print(text, style=style, markup=False)

    def event(self, subject: str, verb: str, what: str, seconds: float | None = None, note: str = "") -> None:
        """Write one aligned line of a run: who, what was done, to what, how long it took."""
        if self.as_json or self.quiet:
            return
        from rich.text import Text

        text = Text(f"{subject:<10} ", style="bold")
        text.append(f"{verb:<11} ", style=STYLES.get(verb, ""))
        text.append(f"{what:<44}", style="not bold")
        if seconds is not None:
            text.append(f" {seconds:6.2f} s", style="dim")
        if note:
            text.append(f"  {note}", style="dim")
        text.rstrip()
        self.out.print(text)

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Sequence[str] = (), status: str | None = None) -> None:
        """Write an aligned table; numbers of the columns in `right` are right-aligned.

        `status` names the column whose value gives the row's colour.
        """
        if self.as_json or self.quiet:
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


class Progress:
    """The line that says what is going on."""

    def __init__(self, status: Any) -> None:
        self._status = status

    def update(self, text: str) -> None:
        if self._status:
            self._status.update(text)
