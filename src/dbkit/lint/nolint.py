"""`-- nolint: rule reason`: a finding that its author has thought about."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dbkit.lint.finding import Finding

_COMMENT = re.compile(r"--\s*nolint\b:?[ \t]*(?P<rule>[\w.-]*)[ \t]*(?P<reason>.*?)\s*$")


@dataclass(frozen=True, slots=True)
class Suppression:
    """One comment, and the lines that it speaks of: its own, and the next line of code where it stands alone."""

    path: str
    line: int
    column: int
    rule: str
    reason: str
    lines: frozenset[int]
    source: str

    def covers(self, finding: Finding) -> bool:
        return finding.path == self.path and finding.line in self.lines and finding.rule == self.rule

    def finding(self, message: str, help_text: str) -> Finding:
        return Finding(self.path, self.line, self.column, "nolint", "warning", message, "nolint", self.source, help_text)


def suppressions(path: str, lines: list[str]) -> list[Suppression]:
    """Return the suppressions in the lines of a file."""
    found = []
    for number, line in enumerate(lines, 1):
        match = _COMMENT.search(line) if "nolint" in line else None
        if match:
            alone = not line[: match.start()].strip()
            covered = {number, _next_code(lines, number)} if alone else {number}
            found.append(Suppression(path, number, match.start() + 1, match["rule"], match["reason"], frozenset(covered), line))
    return found


def _next_code(lines: list[str], number: int) -> int:
    for following, line in enumerate(lines[number:], number + 1):
        if line.strip() and not line.lstrip().startswith("--"):
            return following
    return number


def apply(findings: Iterable[Finding], found: Iterable[Suppression], judged: Iterable[str]) -> list[Finding]:
    """Take out what is suppressed, and add what is wrong with the suppressions.

    `judged` are the files of which all findings are known, so that a suppression without one is in vain.
    """
    complete = set(judged)
    kept = list(findings)
    for suppression in found:
        remaining = [finding for finding in kept if not suppression.covers(finding)]
        in_vain = len(remaining) == len(kept)
        if not suppression.rule or not suppression.reason:
            kept.append(suppression.finding("a suppression needs a rule and a reason", "-- nolint: rule why it is right here"))
            continue
        if in_vain and suppression.path in complete:
            kept.append(suppression.finding(f"there is no finding {suppression.rule!r} here to suppress", "remove the comment"))
        kept = remaining if not in_vain else kept
    return kept


def files_with_suppressions(paths: Iterable[Path]) -> list[Path]:
    """Return the files that hold the word at all."""
    return [path for path in paths if b"nolint" in path.read_bytes()]
