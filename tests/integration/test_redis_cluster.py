"""A Redis Cluster is one target: scripts are loaded on every master, and missed where one master lacks them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from dbkit.project.state import Account
from dbkit.redis.server import find_program
from dbkit.testing.redis_cluster import running_cluster
from scratch import Scratch

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with running_cluster(find_program(Account(None, os.geteuid(), os.getegid()))) as url:
        yield url


def test_scripts_reach_every_master_and_one_that_lost_them_is_seen(cluster: str, scratch: Scratch) -> None:
    call = ("--project", str(ROOT), "--format", "json")
    scratch.call(*call, "migrate", "cart", "--url", cluster, code=0)
    with redis.RedisCluster.from_url(cluster, decode_responses=True) as client:
        for node in client.get_primaries():
            assert len(client.execute_command("FUNCTION LIST", "LIBRARYNAME", "shop_cart", target_nodes=node)) == 1

        client.execute_command("SCRIPT FLUSH", target_nodes=client.get_primaries()[1])
        assert scratch.call(*call, "migrate", "cart", "--check", "--url", cluster, code=1).document["services"][0]["pending"]
        scratch.call(*call, "migrate", "cart", "--url", cluster, code=0)
        assert not scratch.call(*call, "migrate", "cart", "--check", "--url", cluster, code=0).document["services"][0]["pending"]

        client.execute_command("FUNCTION FLUSH", target_nodes=client.get_primaries()[2])
        assert scratch.call(*call, "status", "cart", "--url", cluster, code=0).document["services"][0]["state"] == "pending"


def test_health_of_a_cluster_says_that_every_slot_is_served(cluster: str, scratch: Scratch) -> None:
    found = scratch.call("--project", str(ROOT), "--format", "json", "health", "cart", "--url", cluster).document["findings"]

    assert [f["status"] for f in found if f["check"] == "redis_cluster_slots_missing"] == ["ok"]


def test_a_cluster_that_is_down_is_unreachable(scratch: Scratch) -> None:
    told = scratch.call("--project", str(ROOT), "migrate", "cart", "--url", "redis://:canary@127.0.0.1:1", code=3)

    assert "canary" not in told.err
