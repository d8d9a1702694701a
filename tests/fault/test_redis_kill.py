"""kill -9 of the server under load: with its log it comes back with whole carts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbkit.redis import server as valkey
from dbkit.redis.throwaway import throwaway_redis
from redis_load import Load, client_module, is_whole, wanted_program
from scratch import until

USERS = [f"u{number}" for number in range(40)]


@pytest.fixture
def server() -> Iterator[valkey.Server]:
    with throwaway_redis(wanted_program()) as server:
        yield server


@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_after_kill_9_no_cart_is_half_updated_and_retries_end_it_exactly(server: valkey.Server, tmp_path: Path, fsync: str) -> None:
    """With `always` every acknowledged write is there; the operating system lives, so with `everysec` too."""
    module = client_module(tmp_path)
    with server.client() as client:
        client.config_set("appendfsync", fsync)
        load = Load(module.CartScripts(client), USERS)
        load.start()
        for share in (5, 20):
            until(lambda share=share: min(load.acknowledged.get(user, 0) for user in USERS) >= share)  # type: ignore[misc]
            os.kill(pid := int(client.info("server")["process_id"]), signal.SIGKILL)
            until(lambda pid=pid: not Path(f"/proc/{pid}").exists() or "State:\tZ" in Path(f"/proc/{pid}/status").read_text())  # type: ignore[misc]
            server.socket.unlink(missing_ok=True)
            valkey.start(server)
        load.stop()

        for user in USERS:
            assert load.acknowledged[user] <= is_whole(client, user) <= load.sent[user]
        load.send_all_again()
        assert [is_whole(client, user) for user in USERS] == [load.sent[user] for user in USERS]
