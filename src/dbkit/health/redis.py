"""The Redis checks: one module each in redis_checks/, found by its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dbkit.health.judge import Finding, Measurement, judge, unknown
from dbkit.redis.connect import Store

if TYPE_CHECKING:
    import redis


@dataclass(frozen=True, slots=True)
class Observed:
    """What the checks look at: INFO as one dictionary, and a client for what INFO does not say."""

    info: dict[str, Any]
    client: redis.Redis
    store: Store


@dataclass(frozen=True, slots=True)
class RedisCheck:
    """A check and its thresholds; `measure` returns only rows worth judging."""

    id: str
    title: str
    category: str
    unit: str
    warning: float | None
    critical: float | None
    why: str
    remedy: str
    measure: Callable[[Observed], list[Measurement]]
    direction: Literal["above", "below"] = "above"


def load_redis_checks() -> list[RedisCheck]:
    """Return the `check` of every module of the folder, by name."""
    folder = Path(__file__).parent / "redis_checks"
    return [import_module(f"dbkit.health.redis_checks.{path.stem}").check for path in sorted(folder.glob("[a-z]*.py"))]


def check_redis(store: Store) -> list[Finding]:
    """Run every check. One that the server refuses is unknown, the rest stand."""
    import redis

    overrides = store.target.project.manifest.health.thresholds
    findings: list[Finding] = []
    with store.connect() as client:
        observed = Observed(client.info("everything"), client, store)
        for check in load_redis_checks():
            try:
                rows = check.measure(observed)
            except redis.ResponseError as exc:
                findings += unknown(store.service, check, str(exc))
            else:
                findings += judge(store.service, check, rows, overrides)
    return findings
