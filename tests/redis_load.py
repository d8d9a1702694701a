"""Load on carts by the client that `dbkit client cart` makes, and what holds of every cart afterwards."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import redis

from dbkit.project.manifest import find_project
from dbkit.project.state import Account
from dbkit.redis.client import generate
from dbkit.redis.server import find_program
from scratch import PATIENCE, until

ROOT = Path(__file__).parents[1]
DAY = date(2026, 11, 22)
MOST = 90  # requests of a cart: fewer than are remembered


def wanted_program() -> Path | None:
    """Return the server program that $DBKIT_TEST_REDIS names, alone or for a cluster; None: the embedded Valkey."""
    program = Path(os.environ.get("DBKIT_TEST_REDIS", "").removeprefix("cluster").removeprefix(":"))
    return program if program.is_file() else None


def cluster_program() -> Path:
    """Return what the nodes of a cluster run: the wanted program, or the embedded Valkey."""
    return wanted_program() or find_program(Account(None, os.geteuid(), os.getegid()))


def client_module(folder: Path) -> ModuleType:
    """Generate the client and import it."""
    path = folder / "cart_scripts_of_load.py"
    path.write_text(generate(find_project(ROOT), "cart"), encoding="utf-8")
    return import_file(path)


def import_file(path: Path) -> ModuleType:
    """Import a module by its path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@dataclass
class Load:
    """Four threads that add units to carts, one a request, each sent until it is answered."""

    scripts: Any
    users: list[str]
    stopped: threading.Event = field(default_factory=threading.Event)
    acknowledged: dict[str, int] = field(default_factory=Counter)
    sent: dict[str, int] = field(default_factory=Counter)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for number in range(4):
            thread = threading.Thread(target=self._work, args=(self.users[number::4],))
            thread.start()
            self.threads.append(thread)

    def stop(self) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join(PATIENCE)

    def _work(self, users: list[str]) -> None:
        for number in range(MOST):
            for user in users:
                if self.stopped.is_set():
                    return
                self.sent[user] = number + 1
                while not self._add(user, number):
                    if self.stopped.wait(0.02):
                        return
                self.acknowledged[user] = number + 1

    def _add(self, user: str, number: int) -> bool:
        """Send one request; False: nobody knows whether it was done."""
        try:
            self.scripts.add_item_to_cart(
                user_id=user, request_id=f"r{number}", sku=f"SKU-{number % 3}", quantity=1, unit_price=7, currency="USD", day=DAY
            )
        except (redis.RedisError, OSError) as error:
            if getattr(error, "code", ""):
                raise
            return False
        return True

    def send_all_again(self) -> None:
        """Retry every request that was ever sent, as a client would that knows nothing."""
        for user in self.users:
            for number in range(self.sent[user]):
                until(lambda user=user, number=number: self._add(user, number))  # type: ignore[misc]


def is_whole(client: Any, user: str) -> int:
    """Demand that nothing of a cart is half done: version, metric, remembered requests, lines and totals say the same; return how many."""
    pipeline: Any = client.pipeline(**({} if hasattr(client, "nodes_manager") else {"transaction": False}))
    pipeline.hgetall(f"cart:{{{user}}}")
    pipeline.hgetall(f"cart:metrics:{{{user}}}:{DAY}")
    pipeline.hgetall(f"cart:seen:{{{user}}}")
    cart, metrics, seen = pipeline.execute()
    lines = [tuple(map(int, value.split("|"))) for name, value in cart.items() if name.startswith("sku:")]
    version = int(cart.get("version", 0))
    assert version == int(metrics.get("added", 0)) == sum(name.startswith("id:") for name in seen)
    assert version == int(cart.get("quantity", 0)) == sum(quantity for quantity, _ in lines)
    assert int(cart.get("total", 0)) == sum(quantity * price for quantity, price in lines)
    assert int(cart.get("lines", 0)) == len(lines)
    return version
