"""A Redis Cluster is one target: scripts are loaded on every master, and missed where one master lacks them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
import redis

from dbkit.redis.connect import major_version
from dbkit.redis.scripts import FUNCTIONS_SINCE
from dbkit.testing.redis_cluster import running_cluster
from redis_load import ROOT, cluster_program
from scratch import Scratch


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with running_cluster(cluster_program()) as url:
        yield url


def test_scripts_reach_every_master_and_one_that_lost_them_is_seen(cluster: str, scratch: Scratch) -> None:
    call = ("--project", str(ROOT), "--format", "json")
    scratch.call(*call, "migrate", "cart", "--url", cluster, code=0)
    with redis.RedisCluster.from_url(cluster, decode_responses=True) as client:
        has_functions = major_version(client.get_redis_connection(client.get_primaries()[0])) >= FUNCTIONS_SINCE
        for node in client.get_primaries() if has_functions else []:
            assert len(client.execute_command("FUNCTION LIST", "LIBRARYNAME", "shop_cart", target_nodes=node)) == 1

        client.execute_command("SCRIPT FLUSH", target_nodes=client.get_primaries()[1])
        assert scratch.call(*call, "migrate", "cart", "--check", "--url", cluster, code=1).document["services"][0]["pending"]
        scratch.call(*call, "migrate", "cart", "--url", cluster, code=0)
        assert not scratch.call(*call, "migrate", "cart", "--check", "--url", cluster, code=0).document["services"][0]["pending"]

        client.execute_command("FUNCTION FLUSH" if has_functions else "SCRIPT FLUSH", target_nodes=client.get_primaries()[2])
        assert scratch.call(*call, "status", "cart", "--url", cluster, code=0).document["services"][0]["state"] == "pending"


def test_health_of_a_cluster_says_that_every_slot_is_served(cluster: str, scratch: Scratch) -> None:
    found = scratch.call("--project", str(ROOT), "--format", "json", "health", "cart", "--url", cluster).document["findings"]

    assert [f["status"] for f in found if f["check"] == "redis_cluster_slots_missing"] == ["ok"]


def test_users_are_made_on_every_node_of_a_cluster(cluster: str, scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `dbkit acl` prints, given to `dbkit redis-cli`; who logs in finds the node that has the key."""
    monkeypatch.setenv("DBKIT_CART_URL", cluster)
    words = scratch.call("--project", str(ROOT), "acl", "cart", code=0).out.split()
    assert scratch.call("--project", str(ROOT), "redis-cli", "cart", "--", *words, ">canary", code=0).out == "OK\n"
    assert scratch.call("--project", str(ROOT), "redis-cli", "cart", "HSET", "cart:{42}", "version", "1", code=0).out == "(integer) 1\n"

    with redis.RedisCluster.from_url(cluster, username="shop_cart_app", password="canary", decode_responses=True) as app:
        assert app.hgetall("cart:{42}") == {"version": "1"}
    with redis.RedisCluster.from_url(cluster) as admin:
        admin.flushall()


def test_a_cluster_that_is_down_is_unreachable(scratch: Scratch) -> None:
    told = scratch.call("--project", str(ROOT), "migrate", "cart", "--url", "redis://:canary@127.0.0.1:1", code=3)

    assert "canary" not in told.err


def test_cleanup_calls_the_script_for_each_users_keys_on_every_master(cluster: str, scratch: Scratch) -> None:
    """What lost its TTL has one again, old metrics go; nothing is left to do the second time."""
    call = ("--project", str(ROOT), "--format", "json")
    with redis.RedisCluster.from_url(cluster, decode_responses=True) as client:
        client.flushall()
        for user in range(40):
            client.hset(f"cart:{{{user}}}", mapping={"version": 1, "updated_at": int(time.time() * 1000)})
            client.hset(f"cart:metrics:{{{user}}}:2020-02-29", "added", 1)
            client.hset(f"cart:seen:{{{user}}}", "first", 1)
            client.expire(f"cart:seen:{{{user}}}", 1000)
        client.set("cart:{of}two}", "no user's")
        client.set("other:{1}", "another's")
        assert scratch.call(*call, "cleanup", "cart", "--dry-run", "--url", cluster, code=0).document["pending"][0]["keys"] == 120
        done = scratch.call(*call, "cleanup", "cart", "--url", cluster, code=0).document["cleaned"]

        assert done == [
            {
                "service": "cart",
                "script": "cleanup_expired_carts",
                "keys": 120,
                "carts": 40,
                "seen": 0,
                "locks": 0,
                "days": 40,
                "refused": [],
            }
        ]
        assert all(client.ttl(f"cart:{{{user}}}") > 1000 for user in range(40))
        assert not any(client.exists(f"cart:metrics:{{{user}}}:2020-02-29") for user in range(40))
        assert client.ttl("cart:{of}two}") == client.ttl("other:{1}") == -1
        again = scratch.call(*call, "cleanup", "cart", "--url", cluster, code=0).document["cleaned"][0]
        assert (again["keys"], again["carts"], again["days"]) == (80, 0, 0)


def test_what_a_script_refuses_is_named_and_the_rest_is_cleaned(cluster: str, scratch: Scratch) -> None:
    """One spoilt key would stop every run at its place."""
    with redis.RedisCluster.from_url(cluster, decode_responses=True) as client:
        client.flushall()
        for user in range(20):
            client.hset(f"cart:{{{user}}}", mapping={"version": 1, "updated_at": int(time.time() * 1000)})
            client.set(f"cart:seen:{{spoilt-{user}}}", "no hash")
        client.hset("cart:{1}", "updated_at", "long ago")  # no moment that could be counted from
        told = scratch.call("--project", str(ROOT), "cleanup", "cart", "--url", cluster, code=1).out

        assert "for 40 keys: 20 carts" in told
        assert len(re.findall(r"refused .* CARTKEYS", told)) == 3
        assert "17 calls more were refused" in told
        assert all(client.ttl(f"cart:{{{user}}}") > 1000 for user in range(20))
        client.flushall()
