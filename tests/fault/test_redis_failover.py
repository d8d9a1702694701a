"""A master of a cluster is killed in the middle of load, and of a migration: its replica takes over."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from dbkit.testing.redis_cluster import running_cluster
from redis_load import ROOT, Load, client_module, cluster_program, is_whole
from scratch import PATIENCE, Scratch, until

USERS = [f"u{number}" for number in range(40)]

MIGRATION = """\
--[[
0001_mark: each key is marked once; what new scripts write has the mark.

KEYS
  1 thing       thing:{<id>}
EACH
  thing
ARGV
RETURNS
  changed       flag
ERRORS
]]
local turns = 0
for turn = 1, 30000 do turns = turns + turn end
return redis.call("HSETNX", KEYS[1], "mark", 1)
-- irreversible: a test
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Three masters, two of them with a replica."""
    with running_cluster(cluster_program(), replicas=2) as url:
        yield url


def kill_master_of(client: Any, key: str) -> str:
    """Kill -9 the master that has the key; return its name."""
    node = client.get_node_from_key(key)
    os.kill(int(client.get_redis_connection(node).info("server")["process_id"]), signal.SIGKILL)
    return str(node.name)


def user_with_replica(client: Any, *, but: str = "") -> str:
    """Return a user whose master has a replica that is up with it, and is not the node of that URL."""
    client.nodes_manager.initialize()

    def owned() -> list[str]:
        nodes = {user: client.get_node_from_key(f"cart:{{{user}}}") for user in USERS}
        kept = {user: client.get_redis_connection(node) for user, node in nodes.items() if node.name not in (but or "nothing")}
        return [user for user, direct in kept.items() if direct.info("replication")["connected_slaves"]]

    return until(owned)[0]


def test_carts_outlive_a_failover_in_the_middle_of_load(cluster: str, scratch: Scratch, tmp_path: Path) -> None:
    """Nothing is half done, no retry is done twice, and the new master learns the scripts from the callers, or by --heal."""
    module = client_module(tmp_path)
    call = ("--project", str(ROOT), "--format", "json")
    scratch.call(*call, "migrate", "cart", "--url", cluster, code=0)
    with redis.RedisCluster.from_url(cluster, decode_responses=True) as client:
        scripts: Any = module.CartScripts(client)
        load = Load(scripts, USERS)
        load.start()
        until(lambda: min(load.acknowledged.get(user, 0) for user in USERS) >= 5)
        victim = kill_master_of(client, f"cart:{{{(hit := user_with_replica(client, but=cluster))}}}")
        at = load.acknowledged[hit]
        until(lambda: load.acknowledged[hit] > at + 3)
        load.stop()

        assert client.get_node_from_key(f"cart:{{{hit}}}").name != victim
        found = {user: is_whole(client, user) for user in USERS}
        assert all(found[user] <= load.sent[user] for user in USERS)
        load.send_all_again()
        assert {user: is_whole(client, user) for user in USERS} == dict(load.sent)

        client.execute_command("SCRIPT FLUSH", target_nodes=client.get_node_from_key(f"cart:{{{hit}}}"))
        other = next(node for node in client.get_primaries() if node.name != victim)
        url = f"redis://{other.name}"
    assert scratch.call(*call, "verify", "cart", "--url", url, code=1).document["services"][0]["problems"]
    scratch.call(*call, "verify", "cart", "--heal", "--url", url, code=0)
    scratch.call(*call, "verify", "cart", "--url", url, code=0)
    health = scratch.call(*call, "health", "cart", "--url", url).document["findings"]
    bad = {f["check"] for f in health if f["status"] in {"warning", "critical"}}
    assert "redis_cluster_nodes_failed" in bad
    assert "redis_cluster_slots_missing" not in bad
    assert {f["check"] for f in health if f["status"] == "unknown"} == set()


def test_a_migration_goes_on_over_a_failover(cluster: str, scratch: Scratch) -> None:
    """The run waits for the new master, begins there anew, since a cursor is one server's, and every key is changed."""
    scratch.write("migrations/cart/0001_mark.lua", MIGRATION)
    names = [f"thing:{{{number}}}" for number in range(600)]
    with redis.RedisCluster.from_url(cluster, decode_responses=True) as client:
        key = f"cart:{{{user_with_replica(client)}}}"
        alive = next(node for node in client.get_primaries() if node.name != client.get_node_from_key(key).name)
        scratch.write(
            "dbkit.toml",
            '[project]\nname = "scratch"\ndefault_environment = "here"\n[services.cart]\nengine = "redis"\n'
            f'[environments.here]\nredis_url = "redis://{alive.name}"\n',
        )
        for name in names:
            client.hset(name, "old", 1)
        time.sleep(0.2)
        master = client.get_redis_connection(client.get_node_from_key(key))
        master.config_resetstat()
        run = scratch.start("migrate", "cart")
        until(lambda: int(master.info("commandstats").get("cmdstat_hsetnx", {}).get("calls", 0)) > 20 or run.poll() is not None)
        assert run.poll() is None
        kill_master_of(client, key)
        out, err = run.communicate(timeout=2 * PATIENCE)

        assert run.returncode == 0, err
        assert "600 keys" in out
        client.nodes_manager.initialize()
        assert all(client.hget(name, "mark") == "1" for name in names)
