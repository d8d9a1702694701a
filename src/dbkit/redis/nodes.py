"""The servers that hold the keys: one, or every primary of a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import redis

SLOTS = 16_384


@dataclass(frozen=True, slots=True)
class Primary:
    """A server whose keys are its own. `run` is another after each restart, and after a failover."""

    name: str
    slots: str
    run: str
    client: redis.Redis


def primaries(client: redis.Redis) -> list[Primary]:
    """Return who serves which slots just now. Raises a RedisError while somebody's slots are served by nobody."""
    import redis as driver

    if not isinstance(client, driver.RedisCluster):
        return [Primary("", "all", _run(client), client)]
    client.nodes_manager.initialize()
    owned: dict[str, list[int]] = {}
    nodes = {}
    for slot, servers in sorted(client.nodes_manager.slots_cache.items()):
        nodes[servers[0].name] = servers[0]
        owned.setdefault(servers[0].name, []).append(slot)
    if sum(map(len, owned.values())) < SLOTS:
        raise driver.exceptions.ClusterDownError("not every slot is served")
    found = {name: client.get_redis_connection(node) for name, node in nodes.items()}
    return [Primary(name, _ranges(owned[name]), _run(direct), direct) for name, direct in found.items()]


def _run(client: redis.Redis) -> str:
    import redis as driver

    if client.info("replication")["role"] != "master":
        raise driver.exceptions.ReadOnlyError("the server is no primary")
    return str(client.info("server")["run_id"])


def _ranges(slots: Iterable[int]) -> str:
    """Return `0-99,200-299`."""
    ranges: list[list[int]] = []
    for slot in slots:
        if ranges and ranges[-1][1] == slot - 1:
            ranges[-1][1] = slot
        else:
            ranges.append([slot, slot])
    return ",".join(f"{first}-{last}" for first, last in ranges)


def passing() -> tuple[type[Exception], ...]:
    """Return what a client meets while a server restarts, a replica takes over or a slot moves."""
    import redis as driver

    wrong: Any = driver.exceptions
    return (
        driver.ConnectionError,
        driver.TimeoutError,
        driver.ReadOnlyError,
        wrong.ClusterError,
        driver.RedisClusterException,
        wrong.ClusterDownError,
        wrong.AskError,
        wrong.MovedError,
        wrong.TryAgainError,
        wrong.MasterDownError,
        wrong.NoScriptError,
    )
