"""The payment service as its tests call it: a shop, its provider, and many clients at once."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import psycopg
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Connection = psycopg.Connection[tuple[Any, ...]]
    Row = dict[str, Any]

T = TypeVar("T")
USER = 7
CLIENTS = 20
ORDER = "00000000-0000-7000-8000-000000900907"
AUTHORIZE = "SELECT * FROM payment.process_payment_authorization(%s, %s, %s, %s, %s, %s)"
RESULT = "SELECT * FROM payment.record_provider_result(%s, %s, TRUE, %s)"
FAILURE = "SELECT * FROM payment.record_provider_result(%s, %s, FALSE, p_failure_category => 'declined')"
CAPTURE = "SELECT * FROM payment.capture_payment(%s, %s, %s, %s)"
REFUND = "SELECT * FROM payment.refund_payment(%s, %s, %s, 'goodwill', %s)"
VOID = "SELECT * FROM payment.void_payment(%s, %s, %s)"
DISPUTE = "SELECT * FROM payment.open_dispute(%s, %s, %s, %s, 'fraudulent')"
EVIDENCE = "SELECT * FROM payment.add_dispute_evidence(%s, %s, 'key', 'receipt', 's3://evidence/1', sha256('1'))"
RESOLVE = "SELECT * FROM payment.resolve_dispute(%s, %s, %s)"
SETTLE = "SELECT * FROM payment.settle_payments(%s)"
FAULTS = "SELECT * FROM payment.verify_ledger()"
EVENT = "SELECT * FROM payment.record_provider_event(%s, 'testpay', %s, %s, now(), p_provider_reference => %s, p_failure_category => %s)"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
BLOCKED = "SELECT cardinality(pg_blocking_pids(%s)) > 0"


class Database(Protocol):
    """A migrated database of one service, as the fixture pg_service makes it."""

    def connect(self, role: str | None = "app") -> Connection:
        """Log in as a role, in autocommit mode."""
        ...


@dataclass(slots=True)
class Shop:
    """A database with the payment service, and the calls that a shop makes of it."""

    db: Database
    app: Connection
    owner: Connection
    keys: Counter[str] = field(default_factory=Counter)

    def ask(self, query: str, *values: object) -> Row:
        """Run a call that answers with one row."""
        with self.app.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(query, values).fetchone()
        assert row is not None
        return row

    def key(self, kind: str) -> str:
        """Make an idempotency key that was never used."""
        self.keys[kind] += 1
        return f"{kind}-{self.keys[kind]}"

    def method(self, user: int = USER) -> object:
        """Return the user's payment method."""
        return self.ask(
            "SELECT payment.add_payment_method(%s, 'testpay', %s, 'card') AS id",
            user,
            f"tok_{user:08}",
        )["id"]

    def pending(self, amount: int, user: int = USER, currency: str = "USD") -> tuple[str, object]:
        """Return the key and the id of a new payment that the provider was not asked for yet."""
        key = self.key("auth")
        row = self.ask(AUTHORIZE, user, key, ORDER, self.method(user), amount, currency)
        return key, row["payment_id"]

    def authorized(self, amount: int, user: int = USER, currency: str = "USD") -> object:
        """Return the id of a new payment that the provider has authorized."""
        key, payment = self.pending(amount, user, currency)
        self.ask(RESULT, user, key, f"ch_{user}_{key}")
        return payment

    def captured(self, amount: int, user: int = USER, currency: str = "USD") -> object:
        """Return the id of a new payment that is captured in full."""
        payment = self.authorized(amount, user, currency)
        key = self.key("cap")
        self.ask(CAPTURE, user, key, payment, None)
        self.ask(RESULT, user, key, f"cp_{user}_{key}")
        return payment

    def payment(self, payment: object) -> Row:
        """Return the row of a payment."""
        return self.ask("SELECT * FROM payment.payments WHERE id = %s", payment)

    def faults(self) -> list[tuple[Any, ...]]:
        """Return what is wrong with the ledger."""
        return self.app.execute(FAULTS).fetchall()


def sound_shop(pg_service: Callable[[str], Database]) -> Iterator[Shop]:
    """Give a payment service of the test's own; whatever the test does, the books are sound afterwards."""
    db = pg_service("payment")
    shop = Shop(db, db.connect("app"), db.connect("owner"))
    yield shop
    assert shop.faults() == []


def race(db: Database, jobs: list[Callable[[Connection], T]]) -> list[T | psycopg.Error]:
    """Run the jobs at the same moment, each on a connection of its own; errors are answers too."""
    connections = [db.connect("app") for _ in jobs]
    gate = threading.Barrier(len(jobs))

    def run(job: Callable[[Connection], T], connection: Connection) -> T | psycopg.Error:
        gate.wait()
        try:
            return job(connection)
        except psycopg.Error as exc:
            return exc

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs, connections))


def call(query: str, *values: object) -> Callable[[Connection], tuple[Any, ...]]:
    """Make a job of a call that answers with one row."""

    def job(connection: Connection) -> tuple[Any, ...]:
        row = connection.execute(query, values).fetchone()
        assert row is not None
        return row

    return job


def codes(answers: list[tuple[Any, ...] | psycopg.Error]) -> Counter[str]:
    """Count the answers by SQLSTATE, or by their first column."""
    return Counter(str(answer.sqlstate) if isinstance(answer, psycopg.Error) else str(answer[0]) for answer in answers)
