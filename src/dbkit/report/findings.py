"""Findings for people, with the line and a caret; and as one JSON document."""

from __future__ import annotations

from typing import Any

from dbkit.lint import LEVELS, Finding, Lint
from dbkit.report.console import STYLES, Output


def show_findings(result: Lint, output: Output) -> None:
    """Write every finding, and a line that counts them; what to do is said once a rule."""
    from rich.text import Text

    explained: set[str] = set()
    for finding in result.findings:
        head = Text(f"{finding.path}:{finding.line}:{finding.column}: ", style="bold")
        head.append(f"{finding.level} ", style=STYLES[finding.level])
        head.append(finding.rule, style="bold not dim")
        head.append(f": {finding.message}", style="not bold")
        output.out.print(head)
        for line in excerpt(finding):
            output.out.print(Text(line, style="dim"))
        if finding.help and finding.rule not in explained and not output.quiet:
            output.out.print(Text.assemble(("    help: ", "green"), finding.help))
        explained.add(finding.rule)
    output.line(summary(result), style="green" if not result.findings else None)


def excerpt(finding: Finding) -> list[str]:
    """Return the line and the caret beneath it."""
    if not finding.source.strip():
        return []
    number = str(finding.line)
    margin = "".join("\t" if character == "\t" else " " for character in finding.source[: finding.column - 1])
    return [f"    {number} | {finding.source.rstrip()}", f"    {' ' * len(number)} | {margin}^"]


def summary(result: Lint) -> str:
    """Return `403 files: 2 errors, 1 warning`."""
    files = f"{result.files} file{'' if result.files == 1 else 's'}"
    counts = [(result.count(level), level) for level in LEVELS]
    said = [f"{count} {level}{'' if count == 1 or level == 'info' else 's'}" for count, level in counts if count]
    return f"{files}: {', '.join(said) or 'nothing found'}"


def as_document(result: Lint) -> dict[str, Any]:
    """Return the result as what becomes the one JSON document."""
    return {
        "files": result.files,
        "counts": {level: result.count(level) for level in LEVELS},
        "findings": [
            {
                "path": finding.path,
                "line": finding.line,
                "column": finding.column,
                "level": finding.level,
                "rule": finding.rule,
                "layer": finding.layer,
                "message": finding.message,
                "help": finding.help,
                "url": finding.url,
                "source": finding.source,
            }
            for finding in result.findings
        ],
    }
