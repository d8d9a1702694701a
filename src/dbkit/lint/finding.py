"""What lint has to say: findings, and the result of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "info"]
LEVELS: tuple[Level, ...] = ("error", "warning", "info")  # worst first
Layer = Literal["source", "style", "safety", "rules", "lua", "nolint"]
Kind = Literal["migration", "rollback", "repeatable", "seed", "check"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend; `path` is relative to the project, line and column count from 1.

    `source` is the line as it stands in the file, `help` what to do instead, `url` where more about the rule is written.
    """

    path: str
    line: int
    column: int
    rule: str
    level: Level
    message: str
    layer: Layer
    source: str = ""
    help: str | None = None
    url: str | None = None

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        return (self.path, self.line, self.column, self.rule, self.message)


@dataclass(frozen=True, slots=True)
class Lint:
    """The result of a run: the findings by place, and how many files were looked at.

    `summaries` says in a sentence what each of our own rules that found something is about.
    """

    findings: tuple[Finding, ...]
    files: int
    summaries: dict[str, str]

    def count(self, level: Level) -> int:
        return sum(finding.level == level for finding in self.findings)

    def fails(self, fail_on: Level) -> bool:
        """Say whether a finding is as bad as `fail_on`, or worse."""
        return any(self.count(level) for level in LEVELS[: LEVELS.index(fail_on) + 1])


@dataclass(frozen=True, slots=True)
class Hit:
    """What a rule found in the text it looked at; `level` where it differs from the rule's."""

    line: int
    message: str
    column: int = 1
    level: Level | None = None
