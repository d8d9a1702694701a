"""Health findings for people: a table, worst first, and what to do about each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dbkit.report.console import STYLES, Output

if TYPE_CHECKING:
    from dbkit.health import Finding


MOST_ROWS = 5  # of one check; JSON has them all


def show(output: Output, findings: Sequence[Finding], *, everything: bool) -> None:
    """Print what is not ok (or everything), then why and what to do, then a count."""
    shown = [finding for finding in findings if everything or finding.status != "ok"]
    rows = _rows(shown)
    if rows:
        output.table(["status", "service", "check", "object", "value", "limit", "detail"], rows, right=["value"], status="status")
        output.line()
    _explain(output, [finding for finding in shown if finding.status != "ok"])
    counts = Counter(finding.status for finding in findings)
    services = len({finding.service for finding in findings})
    summary = ", ".join(f"{counts[status]} {status}" for status in ("critical", "warning", "unknown", "ok") if counts[status])
    worst = findings[0].status if findings else "ok"
    output.line(f"{services} service{'' if services == 1 else 's'}: {summary}", style=STYLES.get(worst))


def _rows(findings: Sequence[Finding]) -> list[list[str]]:
    """Tell once what several services say of the server that they share, and a check's worst rows only."""
    services: dict[tuple[str, str, str], list[str]] = {}
    first: dict[tuple[str, str, str], Finding] = {}
    for finding in findings:
        key = (str(finding.status), finding.check, finding.object)
        first.setdefault(key, finding)
        if finding.service not in services.setdefault(key, []):
            services[key].append(finding.service)
    rows: list[list[str]] = []
    seen: Counter[tuple[str, str]] = Counter()
    for key, f in first.items():
        seen[key[:2]] += 1
        if seen[key[:2]] <= MOST_ROWS:
            named = services[key][0] if len(services[key]) == 1 else f"{services[key][0]} +{len(services[key]) - 1}"
            rows.append([f.status, named, f.title, f.object, number(f.value, f.unit), limits(f), _short(f.detail)])
        elif seen[key[:2]] == MOST_ROWS + 1:
            more = sum(other[:2] == key[:2] for other in first) - MOST_ROWS
            rows.append([f.status, "", f.title, f"… and {more} more", "", "", ""])
    return rows


def _short(detail: str) -> str:
    text = " ".join(detail.split())
    return text if len(text) <= MOST_DETAIL else text[: MOST_DETAIL - 1] + "…"


MOST_DETAIL = 90


def _explain(output: Output, findings: Sequence[Finding]) -> None:
    """Say once for each check why it matters and what to do."""
    told: set[str] = set()
    for finding in findings:
        if finding.check in told:
            continue
        told.add(finding.check)
        output.line(f"{finding.title}", style="bold")
        output.line(f"    why: {finding.why}")
        output.line(f"    do:  {finding.remedy}")
    if told:
        output.line()


def limits(finding: Finding) -> str:
    """Write the thresholds as `warning/critical`."""
    bounds = [number(bound, finding.unit) for bound in (finding.warning, finding.critical) if bound is not None]
    return " / ".join(bounds)


def number(value: float | None, unit: str) -> str:
    """Write a value with its unit, as short as it stays true."""
    if value is None:
        return ""
    match unit:
        case "ratio":
            return f"{value:.2f}"
        case "bytes":
            return _bytes(value)
        case "seconds":
            return _duration(value)
        case _:
            return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def _bytes(value: float) -> str:
    units = ("B", "kB", "MB", "GB", "TB", "PB")
    step = 0
    while value >= 1024 and step < len(units) - 1:
        value /= 1024
        step += 1
    return f"{value:.0f} {units[step]}" if step == 0 else f"{value:.1f} {units[step]}"


def _duration(value: float) -> str:
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if value >= 2 * size:
            return f"{value / size:.1f} {name}"
    return f"{value:.0f} s"
