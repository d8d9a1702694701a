"""Throw-away servers whose program was killed go when the next one starts; those in use stay."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

POSTGRES = """
from dbkit.postgres.throwaway import throwaway_server
from dbkit.testing.plugin import server_settings
with throwaway_server(server_settings()) as server:
    print(server.data, (server.data / "postmaster.pid").read_text().split()[0], flush=True)
    input()
"""
REDIS = """
from dbkit.redis.throwaway import throwaway_redis
with throwaway_redis() as server:
    print(server.data, server.client().info("server")["process_id"], flush=True)
    input()
"""


@pytest.mark.parametrize("program", [POSTGRES, REDIS])
def test_a_server_whose_program_was_killed_goes_when_the_next_one_starts(program: str) -> None:
    killed, data, process = started(program)
    other, kept, alive = started(program)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert is_running(process)

    started(program)[0].communicate("\n")

    assert not is_running(process)
    assert not data.parent.exists()
    assert is_running(alive)
    other.communicate("\n")
    assert not is_running(alive)
    assert not kept.parent.exists()


def started(program: str) -> tuple[subprocess.Popen[str], Path, int]:
    """Run the program, and return it with its server's data folder and process."""
    running = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert running.stdout
    data, process = running.stdout.readline().split()
    return running, Path(data), int(process)


def is_running(process: int) -> bool:
    """Say whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
