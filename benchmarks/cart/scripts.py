"""The cart's scripts beside the bare commands that they replace, and beside a cart as JSON under WATCH, MULTI, EXEC.

One server; redis-benchmark (Debian's redis-tools) with 50 clients is the client, so that Python is measured nowhere but in the
JSON cart, where both sides are Python. CPU is the server's main thread's: steadier than the rate where the machine is busy.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from dbkit.project.manifest import find_project
from dbkit.redis.scripts import LuaScript, load_scripts

ROOT = Path(__file__).parents[2]
DAY = "2026-11-22"
CLIENTS, PROCESSES = 50, 10
ANY = "9000000000000"  # a limit that no benchmark reaches
RULES = {"maximum_quantity": ANY}


@dataclass(frozen=True)
class Rate:
    """Operations a second, milliseconds of the 99th percentile, microseconds of the server's CPU an operation."""

    per_second: float
    p99: float
    cpu: float


@contextmanager
def server() -> Iterator[redis.Redis]:
    """A server without persistence: what a disk costs is the same for all."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if not program or not shutil.which("redis-benchmark"):
        sys.exit("redis-server and redis-benchmark are needed: apt-get install redis-server redis-tools")
    with tempfile.TemporaryDirectory(prefix="dbkit-") as folder:
        options = ["--port", "0", "--unixsocket", f"{folder}/s", "--save", "", "--dir", folder]
        process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        try:
            client = redis.Redis(unix_socket_path=f"{folder}/s", decode_responses=True)
            while True:
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    time.sleep(0.05)
            yield client
        finally:
            process.kill()
            process.wait()


def cpu_seconds(client: redis.Redis) -> float:
    found = client.info("cpu")
    return float(found["used_cpu_user"]) + float(found["used_cpu_sys"])


def measure(client: redis.Redis, commands: Sequence[Sequence[str]], requests: int, *, pipeline: int = 1) -> Rate:
    """Send each command by a process of its own, all at once; 50 clients together."""
    path = str(client.connection_pool.connection_kwargs["path"])
    clients, each = CLIENTS // len(commands), requests // len(commands)
    head = ["redis-benchmark", "-s", path, "-c", str(clients), "-n", str(each), "-r", "1000000000", "-P", str(pipeline), "--csv"]
    before, started = cpu_seconds(client), time.monotonic()
    running = [subprocess.Popen([*head, *command], stdout=subprocess.PIPE, text=True) for command in commands]
    told = [process.communicate()[0] for process in running]
    wall, cpu = time.monotonic() - started, cpu_seconds(client) - before
    rows = [list(csv.reader(io.StringIO(text)))[-1] for text in told]
    rate = sum(float(row[-7]) for row in rows) if len(rows) == 1 else requests / wall
    return Rate(rate, statistics.median(float(row[-2]) for row in rows), 1e6 * cpu / requests)


def call(script: LuaScript, user: str, *arguments: str) -> list[str]:
    """Return the EVALSHA of a script: its keys for the user, the arguments, the numbers."""
    numbers = find_project(ROOT).service("cart").rules | RULES
    keys = [key.pattern.replace("<user_id>", user).replace("<day:date>", DAY) for key in script.header.keys]
    return ["EVALSHA", script.sha(7), str(len(keys)), *keys, *arguments, *script.rule_values(numbers)]


def operations(scripts: dict[str, LuaScript], user: str) -> dict[str, list[str]]:
    """Return a command a row; `__rand_int__` is another number each time."""
    reading = json.dumps([["MUG-3", 1, 800]])
    return {
        "HSET (bare)": ["HSET", f"bare:{{{user}}}", "sku:BOOK-1", "3|1999"],
        "HINCRBY (bare)": ["HINCRBY", f"count:{{{user}}}", "sku:BOOK-1", "1"],
        "HGETALL (bare)": ["HGETALL", f"cart:{{{user}}}"],
        "EVALSHA of `return 1`": ["EVALSHA", NOTHING, "0"],
        "add_item_to_cart": call(scripts["add_item_to_cart"], user, "a__rand_int__", "BOOK-1", "1", "1", "USD"),
        "update_item_quantity": call(scripts["update_item_quantity"], user, "u__rand_int__", "BOOK-1", "7", ""),
        "get_cart": call(scripts["get_cart"], user),
        "merge_carts": call(scripts["merge_carts"], user, "g__rand_int__", "1", "1", reading, "USD"),
        "clear_cart": call(scripts["clear_cart"], user, "c__rand_int__", ""),
        "acquire_cart_lock": call(scripts["acquire_cart_lock"], user, "t" * 32),
        "release_cart_lock": call(scripts["release_cart_lock"], user, "t" * 32),
    }


NOTHING = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"  # SHA-1 of `return 1`


def compare(client: redis.Redis, scripts: dict[str, LuaScript], requests: int, rounds: int) -> dict[str, float]:
    """Print the tables; return each operation's rate beside a bare HSET, one cart, not pipelined."""
    ratios: dict[str, float] = {}
    for title, carts, pipeline in (
        ("50 clients on one cart", 1, 1),
        ("50 clients on 10 carts", PROCESSES, 1),
        ("one cart, 16 in a pipeline", 1, 16),
    ):
        client.flushall()
        rows = [operations(scripts, str(cart)) for cart in range(carts)]
        found: dict[str, list[Rate]] = {name: [] for name in rows[0]}
        for _ in range(rounds):
            for name, rates in found.items():
                rates.append(measure(client, [row[name] for row in rows], requests, pipeline=pipeline))
        base = [rate.per_second for rate in found["HSET (bare)"]]
        print(f"{title}\n{'':24}{'ops/s':>9}{'p99 ms':>9}{'CPU us':>9}{'to HSET':>9}")
        for name, rates in found.items():
            ratio = statistics.median(rate.per_second / bare for rate, bare in zip(rates, base, strict=True))
            middle = [statistics.median(getattr(rate, what) for rate in rates) for what in ("per_second", "p99", "cpu")]
            print(f"{name:24}{middle[0]:9.0f}{middle[1]:9.2f}{middle[2]:9.1f}{ratio:9.2f}")
            if title == "50 clients on one cart":
                ratios[name] = ratio
        print()
    return ratios


def by_json(client: Any, user: str, deadline: float, _: list[str]) -> int:
    """Add units to a cart kept as JSON, the correct way by hand: watch, read, change, write, and again where somebody was faster."""
    done, key = 0, f"json:{{{user}}}"
    with client.pipeline() as pipeline:
        while time.monotonic() < deadline:
            try:
                pipeline.watch(key)
                cart = json.loads(pipeline.get(key) or '{"lines": {}, "total": 0}')
                line = cart["lines"].setdefault("BOOK-1", {"quantity": 0, "unit_price": 1})
                line["quantity"] += 1
                cart["total"] = sum(one["quantity"] * one["unit_price"] for one in cart["lines"].values())
                pipeline.multi()
                pipeline.set(key, json.dumps(cart), ex=2_592_000)
                pipeline.execute()
                done += 1
            except redis.WatchError:
                continue
    return done


def by_script(client: Any, user: str, deadline: float, words: list[str]) -> int:
    """Add units by add_item_to_cart; `words` is the call of a user 0."""
    sha, count, *values = [word.replace("{0}", f"{{{user}}}") for word in words[1:]]
    place, done, name = values.index("REQUEST"), 0, f"{os.getpid()}-{threading.get_ident()}"
    while time.monotonic() < deadline:
        values[place] = f"{name}-{done}"
        client.evalsha(sha, int(count), *values)
        done += 1
    return done


def process(path: str, number: int, seconds: float, words: list[str], carts: int, results: Any) -> None:
    """Run five clients as threads; without the words of a script, by JSON."""
    work = by_script if words else by_json
    deadline, done = time.monotonic() + seconds, [0] * (CLIENTS // PROCESSES)

    def one(thread: int) -> None:
        with redis.Redis(unix_socket_path=path, decode_responses=True) as client:
            cart = (number * len(done) + thread) % carts
            done[thread] = work(client, f"shared-{cart}", deadline, words)

    threads = [threading.Thread(target=one, args=(thread,)) for thread in range(len(done))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(sum(done))


def beside_json(client: redis.Redis, adding: LuaScript, seconds: float, rounds: int) -> dict[int, float]:
    """Print additions a second by script and by JSON; return the ratio by number of carts."""
    words = {"script": call(adding, "0", "REQUEST", "BOOK-1", "1", "1", "USD"), "json": []}
    path, ratios = str(client.connection_pool.connection_kwargs["path"]), {}
    print(f"additions a second, 50 clients as 10 Python processes\n{'':24}{'script':>9}{'JSON':>9}{'ratio':>9}")
    for title, carts in (("one cart", 1), ("50 carts", CLIENTS)):
        found: dict[str, list[float]] = {"script": [], "json": []}
        for _ in range(rounds):
            for way, rates in found.items():
                client.flushall()
                results: Any = multiprocessing.Queue()
                processes = [
                    multiprocessing.Process(target=process, args=(path, number, seconds, words[way], carts, results))
                    for number in range(PROCESSES)
                ]
                for one in processes:
                    one.start()
                rates.append(sum(results.get() for _ in processes) / seconds)
                for one in processes:
                    one.join()
        ratios[carts] = statistics.median(script / other for script, other in zip(found["script"], found["json"], strict=True))
        print(f"{title:24}{statistics.median(found['script']):9.0f}{statistics.median(found['json']):9.0f}{ratios[carts]:9.1f}")
    print()
    return ratios


def at_least(what: str, value: float, bound: float) -> None:
    print(f"{'reached' if value >= bound else 'NOT reached'}: {what}: {value:.2f}x (wanted: at least {bound}x)")


def main() -> None:
    """Measure, and print whether it is enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000, help="of each operation and round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round of the JSON cart")
    options = parser.parse_args()
    with server() as client:
        scripts = {script.name: script for script in load_scripts(find_project(ROOT), "cart")}
        for script in scripts.values():
            client.script_load(script.source(7))
        client.script_load("return 1")
        print(f"Redis {client.info('server')['redis_version']}, {os.cpu_count()} cores, {options.requests} requests of each\n")
        ratios = compare(client, scripts, options.requests, options.rounds)
        contended = beside_json(client, scripts["add_item_to_cart"], options.seconds, options.rounds)
        calls = {name: script.body.count("call(") for name, script in scripts.items()}
        print("calls of the server in each text: " + ", ".join(f"{name} {count}" for name, count in calls.items()) + "\n")
    for name in ("add_item_to_cart", "update_item_quantity", "get_cart", "acquire_cart_lock", "release_cart_lock"):
        at_least(f"{name} to a bare HSET", ratios[name], 0.5)
    at_least("add_item_to_cart to the JSON cart, one contended cart", contended[1], 3)


if __name__ == "__main__":
    main()
