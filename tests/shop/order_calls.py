"""How the tests of the order service and its outbox speak to the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, LiteralString, Protocol, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Row = dict[str, Any]
Connection = psycopg.Connection[Any]
Answer = TypeVar("Answer")

LAMP = {"product_id": 1, "product_name": "Lamp", "quantity": 1, "unit_price": 5000}
DEADLINE_SECONDS = 30


class Database(Protocol):
    """What the fixture gives."""

    def connect(self, role: str | None = "app") -> Connection:
        """Log in; None is the superuser."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """A database whose sessions give up rather than hang."""

    database: Database

    def connect(self, role: str | None = "app") -> Connection:
        connection = self.database.connect(role)
        connection.execute(f"SET statement_timeout = '{DEADLINE_SECONDS}s'")
        return connection


def rows(connection: Connection, query: LiteralString, *parameters: object) -> list[Row]:
    """Run one statement and name its columns."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters).fetchall()


def value(connection: Connection, query: LiteralString, *parameters: object) -> Any:
    """Run one statement that answers with one value."""
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row[0]


def outcome_of(connection: Connection, query: LiteralString, *parameters: object) -> str:
    """Give the SQLSTATE of a statement, 00000 where it succeeds."""
    try:
        connection.execute(query, parameters)
    except psycopg.Error as error:
        return error.sqlstate or "none"
    return "00000"


def place(connection: Connection, user: int, key: str, items: Sequence[dict[str, Any]] = (LAMP,)) -> Row:
    """Place an order of the user."""
    return rows(
        connection,
        "SELECT * FROM orders.create_order(%s, %s, 'USD', %s, 'Ada', %s, 'GB', 'ada@example.com')",
        user,
        key,
        Jsonb(list(items)),
        Jsonb({"line_1": "1 Road"}),
    )[0]


def emit(connection: Connection, key: str, number: int = 1, priority: int = 5) -> None:
    """Write an event about nothing."""
    connection.execute(
        "INSERT INTO orders.outbox_events"
        " (aggregatetype, aggregateid, type, payload, partition_key, priority)"
        " VALUES ('thing', %s, 'thing.moved', '{}', %s, %s)",
        [str(number), key, priority],
    )


def register(connection: Connection, name: str, **settings: str | int) -> int:
    """Register a consumer of every event; how many it was given of old."""
    arguments = sql.SQL(", ").join(
        [
            sql.Literal(name),
            *(sql.SQL("{} => {}").format(sql.Identifier(f"p_{k}"), v) for k, v in settings.items()),
        ]
    )
    row = connection.execute(sql.SQL("SELECT orders.register_outbox_consumer({})").format(arguments)).fetchone()
    assert row is not None
    return int(row[0])


def claim(connection: Connection, worker: str, batch: int = 100, lease: str = "60 seconds") -> list[Row]:
    """Claim events of the consumer `t`."""
    return rows(connection, "SELECT * FROM orders.claim_outbox_events('t', %s, %s, %s::interval)", worker, batch, lease)


def complete(connection: Connection, event: Row) -> bool:
    """Complete one event of the consumer `t`."""
    return bool(
        value(
            connection,
            "SELECT is_completed FROM orders.complete_outbox_events('t', %s, %s)",
            event["lease_token"],
            [event["event_id"]],
        )
    )


def fail(connection: Connection, event: Row) -> str:
    """Fail one event of the consumer `t`."""
    return str(
        value(
            connection,
            "SELECT outcome FROM orders.fail_outbox_event('t', %s, %s, 'http.503')",
            event["lease_token"],
            event["event_id"],
        )
    )


def expire_lease(owner: Connection, event: Row) -> None:
    """Let the lease of one event run out."""
    owner.execute(
        "UPDATE orders.outbox_deliveries SET run_at = clock_timestamp() WHERE event_id = %s AND lease_token = %s",
        [event["event_id"], event["lease_token"]],
    )


def at_once(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """Run the calls in threads that start together, and give their answers in order."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Answer]) -> Answer:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def wait_until_blocked(observer: Connection, pid: int) -> None:
    """Return once the session waits for another's lock."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not value(observer, "SELECT pg_blocking_pids(%s) <> '{}'", pid):
        assert time.monotonic() < deadline, "the session was never blocked"
