"""How an error is told: what, where, which SQLSTATE, what to do next."""

from __future__ import annotations

import json
import sys

from dbkit.errors import DbkitError
from dbkit.report.console import error_console, relative


def error_document(error: DbkitError) -> dict[str, object]:
    """Return the error as JSON has it."""
    return {
        "message": error.message,
        "where": relative(error.where),
        "sqlstate": error.sqlstate,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }


def show_error(error: DbkitError, *, as_json: bool) -> None:
    """Print the error to standard error; with JSON output, as the one document on standard output too."""
    if as_json:
        sys.stdout.write(json.dumps({"error": error_document(error)}, indent=2) + "\n")
    console = error_console()
    console.print("[bold red]error:[/] ", end="")
    console.print(error.message, markup=False)
    if error.where or error.sqlstate:
        place = [part for part in (relative(error.where), error.sqlstate and f"SQLSTATE {error.sqlstate}") if part]
        console.print("  at ", style="cyan", end="")
        console.print("  ".join(place), markup=False)
    if error.excerpt:
        for line in error.excerpt.splitlines():
            console.print(f"    {line}", style="bold" if line.startswith(">") else "dim", markup=False)
    if error.hint:
        console.print("  hint: ", style="green", end="")
        console.print(error.hint.replace("\n", "\n        "), markup=False)
