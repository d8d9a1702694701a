"""From a measured value to ok, warning, critical or unknown; and the one line for Nagios."""

from __future__ import annotations

from typing import Any

import pytest

from dbkit.health import Finding, worst_first
from dbkit.health.judge import Measurement, judge, unknown
from dbkit.health.redis import RedisCheck, load_redis_checks
from dbkit.project.manifest import Threshold
from dbkit.report.health import number
from dbkit.report.nagios import line


def check(**changes: Any) -> RedisCheck:
    values: dict[str, Any] = {
        "id": "used",
        "title": "Used",
        "category": "capacity",
        "unit": "ratio",
        "warning": 0.8,
        "critical": 0.95,
        "why": "It fills up.",
        "remedy": "Empty it.",
        "measure": lambda _seen: [],
    }
    return RedisCheck(**{**values, **changes})


def status(value: float | None, overrides: dict[str, Threshold] | None = None, **changes: Any) -> str:
    (finding,) = judge("shop", check(**changes), [Measurement("", value, "")], overrides or {})
    return finding.status


@pytest.mark.parametrize(
    ("value", "found"),
    [(0.0, "ok"), (0.79, "ok"), (0.8, "warning"), (0.94, "warning"), (0.95, "critical"), (7, "critical"), (None, "unknown")],
)
def test_a_value_at_its_threshold_has_reached_it(value: float | None, found: str) -> None:
    assert status(value) == found


@pytest.mark.parametrize(("value", "found"), [(0.99, "ok"), (0.9, "warning"), (0.5, "critical"), (0.0, "critical")])
def test_a_check_may_look_below(value: float, found: str) -> None:
    assert status(value, direction="below", warning=0.9, critical=0.5) == found


@pytest.mark.parametrize(
    ("warning", "critical", "found"), [(None, None, "ok"), (None, 0.5, "critical"), (0.5, None, "warning"), (0, None, "warning")]
)
def test_a_threshold_may_be_left_out(warning: float | None, critical: float | None, found: str) -> None:
    assert status(0.6, warning=warning, critical=critical) == found


def test_the_manifests_threshold_wins() -> None:
    assert status(0.85, {"used": Threshold(warning=0.9)}) == "ok"
    assert status(0.5, {"used": Threshold(critical=0.4)}) == "critical"
    assert status(0.85, {"other": Threshold(warning=0.9)}) == "warning"


def test_a_threshold_that_the_manifest_leaves_out_stays() -> None:
    assert status(0.96, {"used": Threshold(warning=0.9)}) == "critical"


def test_an_answer_without_rows_is_ok() -> None:
    (finding,) = judge("shop", check(), [], {})

    assert (finding.status, finding.value) == ("ok", None)


def test_every_row_is_judged_by_itself() -> None:
    rows = [Measurement("a", 0.1, ""), Measurement("b", 0.9, "x")]

    assert [(f.object, f.status) for f in judge("shop", check(), rows, {})] == [("a", "ok"), ("b", "warning")]


def test_a_check_that_could_not_be_asked_is_unknown_with_the_reason() -> None:
    (finding,) = unknown("shop", check(), "permission denied")

    assert (finding.status, finding.detail) == ("unknown", "permission denied")


def finding(state: str, service: str = "shop", **changes: Any) -> Finding:
    value = {"ok": 0.1, "warning": 0.85, "critical": 0.99, "unknown": None}[state]
    (found,) = judge(service, check(**changes), [Measurement(changes.pop("object", ""), value, "")], {})
    assert found.status == state
    return found


def test_the_worst_comes_first() -> None:
    found = [finding("ok"), finding("unknown"), finding("warning"), finding("critical", "z"), finding("critical", "a")]

    assert [(f.status, f.service) for f in worst_first(found)] == [
        ("critical", "a"),
        ("critical", "z"),
        ("warning", "shop"),
        ("unknown", "shop"),
        ("ok", "shop"),
    ]


@pytest.mark.parametrize(
    ("states", "code", "word"),
    [
        (["ok", "ok"], 0, "OK"),
        ([], 0, "OK"),
        (["ok", "warning"], 1, "WARNING"),
        (["unknown", "warning", "critical"], 2, "CRITICAL"),
        (["unknown", "warning"], 1, "WARNING"),
        (["unknown", "ok"], 3, "UNKNOWN"),
    ],
)
def test_nagios_gets_the_worst_state_and_its_code(states: list[str], code: int, word: str) -> None:
    text, found = line([finding(state) for state in states])

    assert found == code
    assert text.startswith(f"DBKIT {word} - ")


def test_nagios_gets_one_line_with_performance_data() -> None:
    text, _ = line([finding("warning"), finding("ok", "cart", id="bytes", unit="bytes", warning=None, critical=5.0)])

    assert text == "DBKIT WARNING - shop Used - 1 warning, 1 ok | 'shop.used'=0.85;0.8;0.95 'cart.bytes'=0.1B;;5"


def test_nagios_gets_no_more_than_three_names() -> None:
    text, _ = line([finding("critical", f"s{n}") for n in range(5)])

    assert "s2 Used; and 2 more" in text
    assert "s3 Used" not in text.partition("|")[0]


def test_nagios_gets_one_line_whatever_a_title_holds() -> None:
    text, _ = line([finding("critical", title="a\nb")])

    assert "\n" not in text


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, "ratio", ""),
        (0.987, "ratio", "0.99"),
        (512, "bytes", "512 B"),
        (1536, "bytes", "1.5 kB"),
        (3 * 1024**3, "bytes", "3.0 GB"),
        (59, "seconds", "59 s"),
        (150, "seconds", "2.5 min"),
        (9000, "seconds", "2.5 h"),
        (2.5 * 86400, "seconds", "2.5 d"),
        (1234567, "count", "1,234,567"),
        (2.5, "count", "2.50"),
    ],
)
def test_a_number_is_shown_with_its_unit(value: float | None, unit: str, shown: str) -> None:
    assert number(value, unit) == shown


def test_every_redis_check_says_why_and_what_to_do() -> None:
    checks = load_redis_checks()

    assert len({found.id for found in checks}) == len(checks) > 5
    assert all(found.title and found.why and found.remedy for found in checks)
