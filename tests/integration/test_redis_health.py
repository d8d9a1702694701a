"""Each check of a Redis finds what it is for, on a real server that has it; a server that has none of it is well."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from dbkit.health.redis import load_redis_checks
from dbkit.health.redis_checks.fragmentation_ratio import SMALL
from dbkit.redis import server as valkey
from dbkit.redis.throwaway import throwaway_redis
from redis_load import wanted_program
from scratch import Scratch, until

# what a test can't provoke in a moment is provoked under a lower threshold
LOWER = {
    "redis_blocked_clients": 1,
    "redis_replica_lag_bytes": 1000,
    "redis_unsaved_seconds": 0,
    "redis_slow_commands": 3,
    "redis_fragmentation_ratio": 0.000001,
}


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[valkey.Server, valkey.Server]]:
    """Two servers."""
    with throwaway_redis(wanted_program()) as one, throwaway_redis(wanted_program()) as other:
        yield one, other


@pytest.fixture
def client(pair: tuple[valkey.Server, valkey.Server]) -> Iterator[redis.Redis]:
    with pair[0].client() as client:
        client.flushall()
        client.config_resetstat()
        client.slowlog_reset()
        yield client


@pytest.fixture
def found(scratch: Scratch, pair: tuple[valkey.Server, valkey.Server]) -> Callable[..., dict[str, str]]:
    """A project on the first server; what its health says, by check and object."""
    levels = "".join(f"{check} = {{ warning = {level} }}\n" for check, level in LOWER.items())
    for number, server in enumerate(pair):
        (scratch.root / str(number)).mkdir(exist_ok=True)
        scratch.write(
            f"{number}/dbkit.toml",
            '[project]\nname = "scratch"\ndefault_environment = "here"\n[services.cart]\nengine = "redis"\nexpires = ["cart:*"]\n'
            f'[environments.here]\nredis_url = "{server.url}"\n[health.thresholds]\n{levels}',
        )
        scratch.write(
            f"{number}/lua/cart/hello.lua", "--[[\nhello: says so\n\nKEYS\nARGV\nRETURNS\n  answer  integer\nERRORS\n]]\nreturn 1\n"
        )

    def ask(which: int = 0) -> dict[str, str]:
        findings = scratch.call("--format", "json", "health", cwd=scratch.root / str(which)).document["findings"]
        bad = [f for f in findings if f["status"] in {"warning", "critical"}]
        return {f["check"]: f"{f['object']} {f['detail']}".strip() for f in bad}

    scratch.call("migrate", cwd=scratch.root / "0", code=0)
    return ask


def provoke_memory(client: redis.Redis) -> str:
    client.config_set("maxmemory", 1)
    return "redis_memory_used_ratio"


def provoke_policy(client: redis.Redis) -> str:
    client.config_set("maxmemory", "1gb")
    client.config_set("maxmemory-policy", "allkeys-lru")
    return "redis_eviction_policy"


def provoke_eviction(client: redis.Redis) -> str:
    client.set("victim", "x" * 100_000)
    client.config_set("maxmemory-policy", "allkeys-random")
    client.config_set("maxmemory", 1)
    until(lambda: not client.exists("victim"))
    return "redis_evicted_keys"


def provoke_fragmentation(client: redis.Redis) -> str:
    client.setrange("large", 110 * 1024 * 1024, "x")
    return "redis_fragmentation_ratio"


def provoke_big_key(client: redis.Redis) -> str:
    client.setrange("large", 2 * 1024 * 1024, "x")
    return "redis_big_key_bytes"


def provoke_rejection(client: redis.Redis) -> str:
    client.config_set("maxclients", 1)
    with redis.Redis(unix_socket_path=client.connection_pool.connection_kwargs["path"]) as other, pytest.raises(redis.ConnectionError):
        other.ping()
    client.config_set("maxclients", 10_000)
    return "redis_rejected_connections"


def provoke_many_clients(client: redis.Redis) -> str:
    client.config_set("maxclients", 2)  # this one, and the one that asks
    return "redis_clients_used_ratio"


def provoke_slow_log(client: redis.Redis) -> str:
    client.config_set("slowlog-log-slower-than", 0)
    for _ in range(4):
        client.ping()
    client.config_set("slowlog-log-slower-than", 10_000)
    return "redis_slow_commands"


def provoke_no_persistence(client: redis.Redis) -> str:
    client.config_set("appendonly", "no")
    client.config_set("save", "")
    return "redis_persistence_off"


def provoke_unsaved(client: redis.Redis) -> str:
    client.config_set("appendonly", "no")
    client.config_set("save", "3600 100000")
    client.set("name", "Ada")
    return "redis_unsaved_seconds"


def provoke_failed_save(client: redis.Redis) -> str:
    name = str(client.config_get("dbfilename")["dbfilename"])
    (Path(str(client.config_get("dir")["dir"])) / name).mkdir(exist_ok=True)  # where the file has to go
    client.bgsave()
    until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
    return "redis_persistence_failures"


def provoke_no_ttl(client: redis.Redis) -> str:
    client.set("cart:{1}", "for ever")
    client.set("cart:{2}", "for a while", ex=1000)
    client.set("other", "for ever")
    return "redis_keys_without_ttl"


def provoke_lost_scripts(client: redis.Redis) -> str:
    client.script_flush()
    return "redis_scripts_missing"


def provoke_unfinished(client: redis.Redis) -> str:
    client.xadd("dbkit:{scratch_cart}:journal", {"event": "failed", "migration": "0001_a", "release": "2"})
    return "redis_migrations_unfinished"


PROVOKED = [value for name, value in sorted(globals().items()) if name.startswith("provoke_")]
SETTINGS = ("maxmemory", "maxmemory-policy", "maxclients", "appendonly", "save")
TOGETHER = {"redis_memory_used_ratio", "redis_eviction_policy", "redis_evicted_keys"}  # one brings the others along


@pytest.mark.parametrize("provoke", PROVOKED, ids=lambda function: function.__name__)
def test_a_check_finds_what_it_is_for_and_nothing_else(
    client: redis.Redis, found: Callable[..., dict[str, str]], provoke: Callable[[redis.Redis], str]
) -> None:
    before: dict[str, Any] = {name: client.config_get(name)[name] for name in SETTINGS}
    client.memory_purge()  # a test before may have filled it, and what is free is given back after a while
    until(lambda: int(client.info("memory")["used_memory_rss"]) < SMALL)
    assert found() == {}
    try:
        check = provoke(client)
        seen = found()
    finally:
        for name, value in before.items():
            client.config_set(name, value)

    assert check in seen
    assert set(seen) - {check} <= (TOGETHER if check in TOGETHER else {"redis_big_key_bytes"} if "fragment" in check else set())
    if check == "redis_keys_without_ttl":
        assert seen[check] == "of 2 looked at, as cart:{1}"
    if check == "redis_persistence_failures":
        (Path(str(client.config_get("dir")["dir"])) / str(client.config_get("dbfilename")["dbfilename"])).rmdir()
        client.bgsave()
        until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "ok")


def test_a_client_that_waits_is_counted(client: redis.Redis, found: Callable[..., dict[str, str]]) -> None:
    waiting = threading.Thread(target=lambda: client.blpop(["nothing"], timeout=30))
    waiting.start()
    until(lambda: client.info("clients")["blocked_clients"] == 1)
    seen = found()
    client.rpush("nothing", "come")
    waiting.join()

    assert set(seen) == {"redis_blocked_clients"}


def test_a_replica_that_falls_behind_and_one_that_lost_its_primary(
    client: redis.Redis, found: Callable[..., dict[str, str]], pair: tuple[valkey.Server, valkey.Server]
) -> None:
    """Seen from either side: the primary knows the bytes, the replica the silence."""
    client.config_set("port", port := 20_000 + os.getpid() % 10_000)
    with pair[1].client() as replica:
        replica.replicaof("127.0.0.1", str(port))
        until(lambda: replica.info("replication")["master_link_status"] == "up")
        pid = int(replica.info("server")["process_id"])
        os.kill(pid, signal.SIGSTOP)
        try:
            client.set("news", "x" * 200_000)
            assert set(found()) == {"redis_replica_lag_bytes"}
        finally:
            os.kill(pid, signal.SIGCONT)
        replica.replicaof("127.0.0.1", "1")
        until(lambda: replica.info("replication")["master_link_status"] == "down")
        assert "redis_replication_silence_seconds" in found(1)
        replica.replicaof("NO", "ONE")
    client.config_set("port", 0)


def test_what_a_user_may_not_see_is_unknown_with_the_rule_that_shows_it(client: redis.Redis, scratch: Scratch) -> None:
    """Not "can't reach", and never ok. Who follows the advice sees everything in the end, and has been given nothing that writes."""
    path = client.connection_pool.connection_kwargs["path"]
    client.set("cart:{1}", "for a while", ex=1000)
    client.acl_setuser("monitor", enabled=True, reset=True, passwords=["+canary"])
    scratch.write(
        "dbkit.toml",
        f"""[project]
name = "scratch"
default_environment = "here"
[services.cart]
engine = "redis"
expires = ["cart:*"]
[environments.here]
redis_url = "unix://monitor:canary@{path}"
""",
    )
    followed: set[str] = set()
    try:
        while True:
            findings = scratch.call("--format", "json", "health").document["findings"]
            rules = {finding["remedy"] for finding in findings if finding["status"] == "unknown"}
            if not rules:
                break
            assert all(rule.startswith("ACL SETUSER monitor ") for rule in rules)
            assert not rules & followed
            followed |= rules
            for rule in rules:
                client.execute_command(*rule.split())  # type: ignore[no-untyped-call]
    finally:
        client.acl_deluser("monitor")

    assert "ACL SETUSER monitor +info" in followed
    assert {finding["status"] for finding in findings} == {"ok"}
    granted = {word for rule in followed for word in rule.split()[3:]}
    assert not any(word.strip("+~") in {"*", "@all", "config", "memory", "script", "slowlog"} for word in granted - {"~*"})


def test_every_check_is_provoked_here_or_on_a_cluster() -> None:
    """A check without a test would be believed for nothing."""
    here = Path(__file__).read_text(encoding="utf-8") + (Path(__file__).parents[1] / "fault/test_redis_failover.py").read_text(
        encoding="utf-8"
    )

    assert [check.id for check in load_redis_checks() if check.id not in here] == []
