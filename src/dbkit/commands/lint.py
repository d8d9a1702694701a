"""dbkit lint"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dbkit.commands import Invocation, invocation

if TYPE_CHECKING:
    from dbkit.lint import Fixed, Lint, Selection

FORMATS = ("text", "json", "sarif", "github", "junit")


@click.command("lint")
@click.argument("what", metavar="[PATH|SERVICE]...", nargs=-1)
@click.option("--changed-since", metavar="REV", help="Only what changed since this commit, or since it and HEAD parted.")
@click.option("--format", "output_format", type=click.Choice(FORMATS), help="What standard output is for.")
@click.option("--fix", "wants_fixes", is_flag=True, help="Mend the layout first, where the SQL stays the same token for token.")
@invocation
def command(call: Invocation, what: tuple[str, ...], changed_since: str | None, output_format: str | None, wants_fixes: bool) -> None:
    """Look for mistakes in the SQL and Lua: style, dangerous migrations, and what makes trouble later.

    Every file is looked at as it renders, and each finding stands at the line of the template. `-- nolint: rule reason`
    on the line, or on the line before, keeps a finding quiet. No server is asked: every migration counts as pending.

    \b
    Example:  dbkit lint order --changed-since origin/main --format github
    \b
    Exit codes: 0 nothing as bad as [lint] fail_on · 1 findings · 2 no such service, path or commit
    """
    from dbkit.lint import lint, select
    from dbkit.project.target import environment_of

    chosen = output_format or call.format
    call.format = "text" if chosen == "text" else "json"  # an error is told as the findings would have been
    major = environment_of(call.project, call.environment)[1].postgres
    selection = select(call.project, what, Path.cwd(), changed_since)
    if wants_fixes:
        _fix(call, selection)
    with call.output.progress("reading") as progress:
        result = lint(call.project, selection, major, progress.update)
    _show(call, result, chosen)
    if result.fails(call.project.manifest.lint.fail_on):
        raise click.exceptions.Exit(1)


def _fix(call: Invocation, selection: Selection) -> None:
    """Mend in a process of its own: this one then reads the files afresh."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from dbkit.lint import fix

    with call.output.progress("mending"), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        outcomes: list[Fixed] = pool.submit(fix, call.project, selection).result()
    for outcome in outcomes:
        path = outcome.path.relative_to(call.project.root).as_posix()
        if outcome.refusal:
            call.output.note(f"{path}: left as it is: {outcome.refusal}")
        else:
            call.output.note(f"{path}: {outcome.lines} line{'' if outcome.lines == 1 else 's'} mended")


def _show(call: Invocation, result: Lint, chosen: str) -> None:
    match chosen:
        case "text":
            from dbkit.report.findings import show_findings

            show_findings(result, call.output)
        case "json":
            from dbkit.report.findings import as_document

            call.output.document(as_document(result))
        case "sarif":
            from dbkit import __version__
            from dbkit.report.sarif import as_sarif

            call.output.document(as_sarif(result, call.project.root, __version__))
        case "github":
            from dbkit.report.github import as_annotations

            sys.stdout.write(as_annotations(result))
        case "junit":
            from dbkit.report.junit import as_junit

            sys.stdout.write(as_junit(result, call.project.manifest.lint.fail_on))
