"""A database with the inventory service: filling it, calling it, checking it."""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
RESERVE = "SELECT * FROM inventory.reserve_inventory(%s, %s, %s)"
CONFIRM = "SELECT * FROM inventory.confirm_reservation(%s)"
RELEASE = "SELECT * FROM inventory.release_reservation(%s)"
CLEANUP = "SELECT inventory.cleanup_expired_reservations(%s)"
WAITS = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
FIGURES = "SELECT available, reserved, total FROM inventory.inventory_stock WHERE product_id = %s"


class Database(Protocol):
    """A migrated database of one service, as the fixture pg_service makes it."""

    def connect(self, role: str | None = "app") -> Connection:
        """Log in as a role, in autocommit mode."""
        ...


@dataclass(frozen=True, slots=True)
class Stock:
    """A database with the inventory service, and how to fill and check it."""

    db: Database
    owner: Connection

    def add(self, product: int, quantity: int, buckets: int = 1) -> None:
        """Put units of a new product on hand."""
        self.owner.execute(
            "INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold)"
            " VALUES ('tested', 'Tested', 0) ON CONFLICT DO NOTHING"
        )
        self.owner.execute(
            "INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)"
            " SELECT %s, %s, 'Tested', id FROM inventory.inventory_categories LIMIT 1",
            [product, f"tested-{product}"],
        )
        self.owner.execute("SELECT inventory.set_stock_buckets(%s, %s)", [product, buckets])
        if quantity:
            self.owner.execute("SELECT inventory.receive_stock(%s, ops.new_id(), %s)", [product, quantity])

    def figures(self, product: int) -> tuple[Any, ...]:
        """Read what is available, reserved and on hand."""
        return one(self.owner.execute(FIGURES, [product]))

    def buckets(self, product: int) -> list[int]:
        """Read what is available in each bucket."""
        rows = self.owner.execute("SELECT available FROM inventory.inventory WHERE product_id = %s ORDER BY bucket", [product])
        return [available for (available,) in rows]

    def make_overdue(self, order: uuid.UUID) -> None:
        """Move the end of a reservation into the past."""
        self.owner.execute(
            "UPDATE inventory.inventory_reservations SET expires_at = now() WHERE order_id = %s",
            [order],
        )

    def clients(self, number: int) -> list[Connection]:
        """Log the app in several times; a client that hangs fails."""
        clients = [self.db.connect("app") for _ in range(number)]
        for client in clients:
            client.execute("SET statement_timeout = '60s'")
        return clients


@contextmanager
def open_stock(db: Database) -> Iterator[Stock]:
    """Whatever is done meanwhile, the counters agree with what they count afterwards, and nobody was a deadlock's victim."""
    stock = Stock(db, db.connect("owner"))
    yield stock
    findings = stock.owner.execute("SELECT * FROM inventory.reconcile_inventory()").fetchall()
    assert findings == []
    assert one(stock.owner.execute(DEADLOCKS)) == (0,)


def one(cursor: psycopg.Cursor[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Fetch the row that must be there."""
    row = cursor.fetchone()
    assert row is not None
    return row


def answer(client: Connection, query: str, *arguments: object) -> dict[str, Any]:
    """Call a function that answers with one row."""
    with client.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query, arguments).fetchone()
    assert row is not None
    return row


def reserve(client: Connection, user: int, items: dict[int, int], order: uuid.UUID | None = None) -> dict[str, Any]:
    """Reserve items (product: quantity) in the order in which they are given."""
    request = [{"product_id": p, "quantity": q} for p, q in items.items()]
    return answer(client, RESERVE, order or uuid.uuid4(), user, Jsonb(request))


def at_once(work: Callable[[int, Connection], T], clients: list[Connection]) -> list[T]:
    """Let every client begin at the same moment, each in a thread of its own."""
    barrier = threading.Barrier(len(clients))

    def run(number: int) -> T:
        barrier.wait(30)
        return work(number, clients[number])

    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(run, range(len(clients))))


def wait_until_blocked(watcher: Connection, client: Connection) -> None:
    """Return when a client's statement waits for somebody else's lock."""
    deadline = time.monotonic() + 30
    while not one(watcher.execute(WAITS, [client.info.backend_pid]))[0]:
        assert time.monotonic() < deadline, "the statement did not come to wait"
