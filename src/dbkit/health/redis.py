"""The Redis checks: one module each in redis_checks/, found by its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dbkit.health.judge import Finding, Measurement, judge, unknown
from dbkit.redis.connect import Store, remedy

if TYPE_CHECKING:
    import redis

SAMPLE = 1000  # keys that are looked at


@dataclass(frozen=True, slots=True)
class Observed:
    """What the checks look at: one server's INFO, and a client for what INFO does not say. `name` is a cluster's node."""

    info: dict[str, Any]
    client: redis.Redis
    store: Store
    name: str = ""
    _sample: list[str] = field(default_factory=list)

    @property
    def is_replica(self) -> bool:
        return bool(self.info["role"] != "master")

    def sample(self) -> list[str]:
        """Return every key of a small server, or keys by chance; the same ones to each check."""
        if not self._sample and (size := int(self.client.dbsize())):
            pipeline = self.client.pipeline(transaction=False)
            for _ in range(SAMPLE):
                pipeline.randomkey()
            few = size <= SAMPLE
            self._sample.extend(self.client.scan_iter(count=SAMPLE) if few else {name for name in pipeline.execute() if name})
        return self._sample


@dataclass(frozen=True, slots=True)
class RedisCheck:
    """A check and its thresholds; `measure` returns only rows worth judging. It is asked of every node, or `once` of them all."""

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
    once: bool = False


def load_redis_checks() -> list[RedisCheck]:
    """Return the `check` of every module of the folder, by name."""
    folder = Path(__file__).parent / "redis_checks"
    return [import_module(f"dbkit.health.redis_checks.{path.stem}").check for path in sorted(folder.glob("[a-z]*.py"))]


def check_redis(store: Store) -> list[Finding]:
    """Run every check. One that the server refuses is unknown, with the rule that would allow it; the rest stand."""
    import redis

    overrides = store.target.project.manifest.health.thresholds
    findings: list[Finding] = []
    with store.connect() as client:
        try:
            together = Observed(client.info("everything"), client, store)
        except redis.exceptions.NoPermissionError as exc:
            return [finding for check in load_redis_checks() for finding in _refused(client, store, check, exc)]
        nodes = _nodes(client, store) or [together]
        for check in load_redis_checks():
            try:
                rows = [row for seen in ([together] if check.once else nodes) for row in _measured(check, seen)]
            except redis.ResponseError as exc:
                findings += _refused(client, store, check, exc)
            else:
                findings += judge(store.service, check, rows, overrides)
    return findings


def _refused(client: redis.Redis, store: Store, check: RedisCheck, exc: redis.ResponseError) -> list[Finding]:
    rule = remedy(client, exc)
    return [replace(finding, remedy=rule or finding.remedy) for finding in unknown(store.service, check, str(exc))]


def _measured(check: RedisCheck, seen: Observed) -> list[Measurement]:
    """Measure one node, and name it in each row."""
    rows = check.measure(seen)
    return [replace(row, object=f"{seen.name} {row.object}".strip()) for row in rows] if seen.name else rows


def _nodes(client: redis.Redis, store: Store) -> list[Observed]:
    """Return every node of a cluster that answers, replicas too: redis_cluster_nodes_failed names the others."""
    import redis as driver

    if not isinstance(client, driver.RedisCluster):
        return []
    found = []
    for node in client.get_nodes():
        direct = client.get_redis_connection(node)
        try:
            found.append(Observed(direct.info("everything"), direct, store, str(node.name)))
        except (driver.ConnectionError, driver.TimeoutError):
            continue
    return found
