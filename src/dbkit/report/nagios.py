"""One line for Nagios and its kin, with performance data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbkit.health import Finding

CODES = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}
UNITS = {"seconds": "s", "bytes": "B"}


def line(findings: Sequence[Finding]) -> tuple[str, int]:
    """Return the text and the exit code; critical outranks warning, warning unknown."""
    counts = Counter(finding.status for finding in findings)
    worst = next((status for status in ("critical", "warning", "unknown") if counts[status]), "ok")
    bad = [f for f in findings if f.status == worst and worst != "ok"]
    named = "; ".join(f"{f.service} {f.title}{f' ({f.object})' if f.object else ''}" for f in bad[:3])
    more = f"; and {len(bad) - 3} more" if len(bad) > 3 else ""
    summary = ", ".join(f"{counts[status]} {status}" for status in ("critical", "warning", "unknown", "ok") if counts[status])
    perfdata = " ".join(_perfdata(f) for f in findings if f.value is not None and not f.object)
    text = f"DBKIT {worst.upper()} - {named + more + ' - ' if named else ''}{summary}"
    return (f"{text} | {perfdata}" if perfdata else text).replace("\n", " "), CODES[worst]


def _perfdata(finding: Finding) -> str:
    bounds = [f"{bound:g}" if bound is not None else "" for bound in (finding.warning, finding.critical)]
    return f"'{finding.service}.{finding.check}'={finding.value:g}{UNITS.get(finding.unit, '')};{';'.join(bounds)}"
