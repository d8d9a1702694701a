"""From a measured value to ok, warning, critical or unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from dbkit.project.manifest import Threshold

Status = Literal["ok", "warning", "critical", "unknown"]
ORDER: tuple[Status, ...] = ("critical", "warning", "unknown", "ok")


class Judged(Protocol):
    """What a check of either engine says of itself."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def warning(self) -> float | None: ...
    @property
    def critical(self) -> float | None: ...
    @property
    def direction(self) -> Literal["above", "below"]: ...
    @property
    def why(self) -> str: ...
    @property
    def remedy(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row of a check's answer; a value of None could not be measured."""

    object: str
    value: float | None
    detail: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One judged row: what, where, how bad, why it matters, what to do."""

    service: str
    check: str
    title: str
    category: str
    object: str
    status: Status
    value: float | None
    unit: str
    warning: float | None
    critical: float | None
    detail: str
    why: str
    remedy: str


def judge(service: str, check: Judged, rows: list[Measurement], overrides: Mapping[str, Threshold]) -> list[Finding]:
    """Compare each row with the thresholds; the manifest's win. No row means ok."""
    override = overrides.get(check.id)
    warning = override.warning if override and override.warning is not None else check.warning
    critical = override.critical if override and override.critical is not None else check.critical
    measured = rows or [Measurement("", None, "")]
    return [
        Finding(
            service=service,
            check=check.id,
            title=check.title,
            category=check.category,
            object=row.object,
            status=_status(row.value, warning, critical, check.direction) if rows else "ok",
            value=row.value,
            unit=check.unit,
            warning=warning,
            critical=critical,
            detail=row.detail,
            why=check.why,
            remedy=check.remedy,
        )
        for row in measured
    ]


def unknown(service: str, check: Judged, reason: str) -> list[Finding]:
    """Report a check that could not be asked: never as ok."""
    return judge(service, check, [Measurement("", None, reason)], {})


def _status(value: float | None, warning: float | None, critical: float | None, direction: str) -> Status:
    if value is None:
        return "unknown"
    sign = -1 if direction == "below" else 1
    for status, bound in (("critical", critical), ("warning", warning)):
        if bound is not None and sign * value >= sign * bound:
            return "critical" if status == "critical" else "warning"
    return "ok"


def worst_first(findings: list[Finding]) -> list[Finding]:
    """Sort by how bad, then service and check; stable, so a check's own order stays."""
    return sorted(findings, key=lambda finding: (ORDER.index(finding.status), finding.service, finding.category, finding.check))
