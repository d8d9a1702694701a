"""A throw-away Redis Cluster: three masters on loopback ports, and replicas if wanted, of whatever server program is given."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dbkit.errors import DbkitError

if TYPE_CHECKING:
    import redis

MASTERS = 3
SLOTS = 16_384
BUS = 10_000  # a node's bus listens that far above its port
PATIENCE = 30.0


@contextmanager
def running_cluster(program: Path, *, replicas: int = 0) -> Iterator[str]:
    """Start the cluster, give the URL of its first node, and end it. With replicas, the first masters have one each."""
    folder = Path(tempfile.mkdtemp(prefix="dbkit-cluster-"))
    nodes: list[subprocess.Popen[bytes]] = []
    try:
        ports = free_ports(MASTERS + replicas)
        nodes += [_start(program, folder, port) for port in ports]
        _join(ports)
        _replicate(ports)
        yield f"redis://127.0.0.1:{ports[0]}"
    finally:
        for node in nodes:
            node.kill()
            node.wait()
        shutil.rmtree(folder, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Find ports that are free together with the bus's; below what the system gives to clients."""
    found: list[int] = []
    for port in range(20_000 + time.time_ns() // 1000 % 2_000, 32_000):
        if _is_free(port) and _is_free(port + BUS):
            found.append(port)
        if len(found) == count:
            return found
    raise DbkitError("there are no free ports for a cluster")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _start(program: Path, folder: Path, port: int) -> subprocess.Popen[bytes]:
    home = folder / str(port)
    home.mkdir()
    command = [
        str(program),
        *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(home), "--logfile", "server.log", "--save", ""),
        *("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "5000"),
    ]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _join(ports: list[int]) -> None:
    """Give each node its share of the slots, let them meet, and wait until all agree."""
    import redis as driver

    clients = [driver.Redis(port=port, decode_responses=True) for port in ports]
    share = -(-SLOTS // MASTERS)
    for number, client in enumerate(clients):
        _until(lambda client=client: _answers(client), "a node did not start")
        if slots := range(number * share, min((number + 1) * share, SLOTS)):
            client.execute_command("CLUSTER ADDSLOTS", *slots)  # type: ignore[no-untyped-call]
        client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)  # type: ignore[no-untyped-call]
    for client in clients[1:]:
        client.execute_command("CLUSTER MEET", "127.0.0.1", ports[0])  # type: ignore[no-untyped-call]
    for client in clients:
        _until(lambda client=client: _agrees(client, len(ports)), "the nodes did not find each other")
        client.close()


def _replicate(ports: list[int]) -> None:
    """Make replicas of the nodes behind the masters, and wait until each has what its master has."""
    import redis as driver

    for port, of in zip(ports[MASTERS:], ports, strict=False):
        with driver.Redis(port=of, decode_responses=True) as master, driver.Redis(port=port, decode_responses=True) as replica:
            name = master.execute_command("CLUSTER MYID")
            replica.execute_command("CLUSTER REPLICATE", name)
            _until(lambda replica=replica: replica.info("replication").get("master_link_status") == "up", "a replica did not follow")


def _answers(client: redis.Redis) -> bool:
    import redis as driver

    try:
        return bool(client.ping())
    except driver.ConnectionError:
        return False


def _agrees(client: redis.Redis, nodes: int) -> bool:
    seen = client.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]
    return bool(seen["cluster_state"] == "ok" and seen["cluster_known_nodes"] == str(nodes))


def _until(answer: object, otherwise: str) -> None:
    assert callable(answer)  # noqa: S101 both callers pass a function
    deadline = time.monotonic() + PATIENCE
    while not answer():
        if time.monotonic() > deadline:
            raise DbkitError(f"the cluster did not come up: {otherwise}")
        time.sleep(0.05)
