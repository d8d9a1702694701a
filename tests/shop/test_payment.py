"""What the payment service promises when many ask at once."""

from __future__ import annotations

import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Callable

    Connection = psycopg.Connection[tuple[Any, ...]]
    Row = dict[str, Any]

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
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
RESOLVE = "SELECT * FROM payment.resolve_dispute(%s, %s, %s)"
SETTLE = "SELECT * FROM payment.settle_payments(%s)"
FAULTS = "SELECT * FROM payment.verify_ledger()"
EVENT = "SELECT * FROM payment.record_provider_event(%s, 'testpay', %s, %s, now(), p_provider_reference => %s, p_failure_category => %s)"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
BLOCKED = "SELECT cardinality(pg_blocking_pids(%s)) > 0"

APP_FUNCTIONS = {
    "add_dispute_evidence",
    "add_payment_method",
    "capture_payment",
    "cleanup_expired_payments",
    "is_card_number",
    "open_dispute",
    "process_payment_authorization",
    "process_provider_events",
    "record_provider_event",
    "record_provider_result",
    "refresh_payment_analytics",
    "refund_payment",
    "remove_payment_method",
    "resolve_dispute",
    "rules",
    "settle_payments",
    "snapshot_ledger_balances",
    "verify_ledger",
    "void_payment",
}
OPS_FUNCTIONS = {
    "cleanup_expired_payments",
    "payment_position",
    "process_provider_events",
    "refresh_payment_analytics",
    "rules",
    "settle_payments",
    "snapshot_ledger_balances",
    "verify_ledger",
}


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

    def authorized(self, amount: int, user: int = USER) -> object:
        """Return the id of a new payment that the provider has authorized."""
        key = self.key("auth")
        row = self.ask(AUTHORIZE, user, key, ORDER, self.method(user), amount, "USD")
        self.ask(RESULT, user, key, f"ch_{user}_{key}")
        return row["payment_id"]

    def captured(self, amount: int, user: int = USER) -> object:
        """Return the id of a new payment that is captured in full."""
        payment = self.authorized(amount, user)
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


@pytest.fixture
def shop(pg_service: Callable[[str], Database]) -> Shop:
    """Give a payment service of the test's own."""
    db = pg_service("payment")
    return Shop(db, db.connect("app"), db.connect("owner"))


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


def test_racing_refunds_never_pass_what_was_captured(shop: Shop) -> None:
    """Of 20 clients that ask for 100 of 1,000 each, ten get it, and the books agree."""
    payment = shop.captured(1000)
    asked = race(shop.db, [call(REFUND, USER, f"re-{n}", payment, 100) for n in range(CLIENTS)])
    assert codes(asked) == {"send": 10, "SH107": 10}
    assert shop.payment(payment)["refund_pending_amount"] == 1000

    granted = [n for n, answer in enumerate(asked) if not isinstance(answer, psycopg.Error)]
    told = race(shop.db, [call(RESULT, USER, f"re-{n}", f"rf-{n}") for n in granted])
    assert codes(told) == {"done": 10}
    row = shop.payment(payment)
    assert (row["refunded_amount"], row["refund_pending_amount"]) == (1000, 0)
    assert shop.faults() == []


def test_racing_captures_never_pass_the_authorization(shop: Shop) -> None:
    """Of 20 clients that capture 300 of 1,000 each, three may."""
    payment = shop.authorized(1000)
    asked = race(shop.db, [call(CAPTURE, USER, f"c-{n}", payment, 300) for n in range(CLIENTS)])
    assert codes(asked) == {"send": 3, "SH106": 17}


def test_one_authorization_key_makes_one_payment(shop: Shop) -> None:
    """Of 20 clients with one key one is told to send; the others are told of the same request."""
    method = shop.method()
    answers = race(shop.db, [call(AUTHORIZE, USER, "one", ORDER, method, 500, "USD")] * CLIENTS)
    assert codes(answers) == {"send": 1, "wait": CLIENTS - 1}
    assert len({a[1:3] for a in answers if not isinstance(a, psycopg.Error)}) == 1
    assert shop.ask("SELECT count(*) FROM payment.payments WHERE user_id = %s", USER)["count"] == 1


def test_one_refund_key_makes_one_refund(shop: Shop) -> None:
    """Of 20 clients with one key for all of the money one is told to send, none is refused."""
    payment = shop.captured(1000)
    answers = race(shop.db, [call(REFUND, USER, "one", payment, None)] * CLIENTS)
    assert codes(answers) == {"send": 1, "wait": CLIENTS - 1}
    assert shop.payment(payment)["refund_pending_amount"] == 1000


def test_one_key_for_two_bodies_goes_to_the_first(shop: Shop) -> None:
    """A key that is raced for with two amounts is one request, and the other amount is refused."""
    method = shop.method()
    jobs = [call(AUTHORIZE, USER, "one", ORDER, method, 500 + n % 2, "USD") for n in range(CLIENTS)]
    counts = codes(race(shop.db, jobs))
    assert counts == {"send": 1, "wait": CLIENTS // 2 - 1, "SH103": CLIENTS // 2}


def test_an_answer_and_its_event_settle_a_capture_once(shop: Shop) -> None:
    """The answer and the provider's event, at the same moment and often, capture once."""
    payment = shop.authorized(1000)
    request = shop.ask(CAPTURE, USER, "cap", payment, None)["request_id"]
    event = "SELECT * FROM payment.record_provider_event(%s, 'testpay', %s, 'capture.succeeded', now(), %s, 'cp')"
    jobs = [call(RESULT, USER, "cap", "cp")] * 5
    jobs += [call(event, USER, f"evt-{n}", request) for n in range(5)]
    counts = codes(race(shop.db, jobs))
    assert counts["done"] == 5
    assert counts["applied"] + counts["ignored"] == 5
    row = shop.payment(payment)
    assert (row["captured_amount"], row["capture_pending_amount"]) == (1000, 0)
    assert shop.faults() == []


def test_one_event_is_taken_in_once(shop: Shop) -> None:
    """An event that 20 clients deliver at once is one row, and one delivery is no duplicate."""
    shop.captured(1000)
    jobs = [call(EVENT, None, "evt", "authorization.succeeded", "ch_7_auth-1", None)] * CLIENTS
    answers = race(shop.db, jobs)
    assert codes(answers) == {"ignored": CLIENTS}
    assert Counter(a[2] for a in answers if not isinstance(a, psycopg.Error))[False] == 1


def test_racing_settlements_take_each_payment_once(shop: Shop) -> None:
    """Eight sweepers settle 40 payments, none twice."""
    for _ in range(40):
        shop.captured(25)

    def sweep(connection: Connection) -> int:
        total = 0
        while rows := connection.execute(SETTLE, [3]).fetchall():
            total += sum(amount for *_, amount in rows)
        return total

    answers = race(shop.db, [sweep] * 8)
    assert sum(a for a in answers if isinstance(a, int)) == 1000
    counts = shop.app.execute(
        "SELECT count(*), count(DISTINCT payment_id), sum(amount) FROM payment.payment_transactions WHERE kind = 'settlement'"
    ).fetchone()
    assert counts == (40, 40, 1000)
    assert shop.faults() == []


def test_sweeps_and_calls_do_not_deadlock(shop: Shop) -> None:
    """Waiting events of many payments of few users are worked off beside calls on the same ones."""
    payments = [(user, shop.captured(100, user)) for user in (1, 2) for _ in range(15)]
    for n, (user, payment) in enumerate(payments):
        shop.ask(REFUND, user, f"re-{n}", payment, 10)
        shop.ask(EVENT, None, f"evt-{n}", "refund.succeeded", f"rf-{n}", None)
        shop.owner.execute(
            "UPDATE payment.payment_requests SET provider_reference = %s WHERE key = %s",
            [f"rf-{n}", f"re-{n}"],
        )

    def process(connection: Connection) -> int:
        return len(connection.execute("SELECT * FROM payment.process_provider_events(5)").fetchall())

    def sweep(connection: Connection) -> int:
        rows = [process(connection) for _ in range(6)]
        connection.execute(SETTLE, [5])
        return sum(rows)

    def answer(numbers: list[int]) -> Callable[[Connection], int]:
        def job(connection: Connection) -> int:
            for n in numbers:
                connection.execute(RESULT, [payments[n][0], f"re-{n}", f"rf-{n}"])
            return 0

        return job

    backwards = list(range(29, -1, -1))
    found = race(shop.db, [sweep, sweep, answer(backwards), answer(backwards[::2])])
    assert [a for a in found if isinstance(a, psycopg.Error)] == []
    while process(shop.app):
        pass
    assert shop.app.execute(DEADLOCKS).fetchone() == (0,)
    total = shop.ask("SELECT sum(refunded_amount) AS refunded FROM payment.payments")["refunded"]
    assert total == 300
    assert shop.faults() == []


def test_a_balanced_pair_cannot_be_added_to_an_old_transfer(shop: Shop) -> None:
    """The books of yesterday are closed, to entries that sum to zero as well."""
    shop.captured(1000)
    pair = (
        "INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)"
        " SELECT max(e.transfer_id), e.account_id, e.currency, -max(e.amount)"
        " FROM payment.ledger_entries AS e GROUP BY e.account_id, e.currency"
    )
    with pytest.raises(psycopg.Error) as refusal:
        shop.owner.execute(pair)
    assert refusal.value.sqlstate == "SH131"
    assert refusal.value.diag.constraint_name == "ledger_entries_same_transaction"


@pytest.mark.parametrize(("amounts", "code"), [([], "SH133"), ([5], "SH133"), ([5, -4], "SH132")])
def test_an_unbalanced_transfer_is_refused_at_commit(shop: Shop, amounts: list[int], code: str) -> None:
    """Its statements pass, its COMMIT does not, and nothing of it stays."""
    shop.captured(1000)
    before = shop.owner.execute("SELECT count(*) FROM payment.ledger_transfers").fetchone()
    cursor = shop.owner.cursor()
    cursor.execute("BEGIN")
    cursor.execute("INSERT INTO payment.ledger_transfers (kind) VALUES ('correction')")
    for amount in amounts:
        cursor.execute(
            "INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)"
            " SELECT max(t.id), payment.ledger_account_id('losses', 'USD', NULL, NULL), 'USD', %s"
            " FROM payment.ledger_transfers AS t",
            [amount],
        )
    with pytest.raises(psycopg.Error) as refusal:
        cursor.execute("COMMIT")
    assert refusal.value.sqlstate == code
    after = shop.owner.execute("SELECT count(*) FROM payment.ledger_transfers").fetchone()
    assert after == before


def test_the_app_commits_transfers_whose_tables_it_cannot_read(shop: Shop) -> None:
    """The checks at COMMIT run with the owner's rights, before 18 too."""
    with shop.app.transaction():
        payment = shop.captured(1000)
    assert shop.payment(payment)["captured_amount"] == 1000
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shop.app.execute("SELECT amount FROM payment.ledger_entries")


def test_a_snapshot_loses_no_entry_that_commits_late(shop: Shop) -> None:
    """Entries drawn before a snapshot and committed after it are in the balance, once."""
    snapshot = "SELECT payment.snapshot_ledger_balances() AS taken"
    balance = "SELECT balance FROM payment.ledger_account_balances WHERE kind = 'clearing'"
    taken = "SELECT array_agg(balance) FROM payment.ledger_balance_snapshots"
    shop.captured(100)
    payment = shop.authorized(30)
    shop.ask(CAPTURE, USER, "late", payment, None)
    late = shop.db.connect("app")
    with late.transaction():
        late.execute(RESULT, [USER, "late", "cp_late"])
        shop.captured(7, user=8)
        shop.ask(snapshot)
        # none where a transaction of another database is older than the first capture
        assert shop.owner.execute(taken).fetchone() in [([100],), (None,)]
        assert shop.owner.execute(balance).fetchone() == (107,)
    assert shop.owner.execute(balance).fetchone() == (137,)
    shop.ask(snapshot)
    assert shop.owner.execute(balance).fetchone() == (137,)
    assert shop.faults() == []


def test_analytics_are_refreshed_beside_their_readers(shop: Shop) -> None:
    """A refresh neither waits for a transaction that reads the view nor locks it out."""
    shop.captured(1000)
    reader = shop.db.connect("readonly")
    totals = "SELECT coalesce(sum(captured_amount), 0) FROM payment.payment_analytics"
    with reader.transaction():
        assert reader.execute(totals).fetchone() == (0,)
        shop.app.execute("SET lock_timeout = '2s'")
        shop.app.execute("SELECT payment.refresh_payment_analytics()")
        assert reader.execute(totals).fetchone() == (1000,)


def test_a_method_is_not_removed_under_a_payment(shop: Shop) -> None:
    """A removal waits for the payment that is being made with the method."""
    method = shop.method()
    other = shop.db.connect("app")
    with ThreadPoolExecutor(1) as pool:
        with shop.app.transaction():
            shop.ask(AUTHORIZE, USER, "one", ORDER, method, 500, "USD")
            removal = pool.submit(other.execute, "SELECT payment.remove_payment_method(%s, %s)", [USER, method])
            while shop.owner.execute(BLOCKED, [other.info.backend_pid]).fetchone() != (True,):
                assert not removal.done()
        assert removal.result().fetchone() == (True,)


AMOUNTS = st.integers(1, 60)
STEPS = st.one_of(
    st.tuples(st.sampled_from(["authorize", "capture", "refund", "dispute"]), AMOUNTS),
    st.tuples(st.sampled_from(["void", "answer", "fail", "win", "lose", "bounce"]), st.just(0)),
    st.tuples(st.sampled_from(["settle", "snapshot", "unknown", "expire"]), st.just(0)),
)


@dataclass(slots=True)
class Story:
    """A random sequence of what a shop and its provider do, refusals included."""

    shop: Shop
    payments: list[object] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    refunds: list[str] = field(default_factory=list)
    disputes: list[object] = field(default_factory=list)

    def step(self, verb: str, amount: int) -> None:
        """Do one thing; what the service refuses is part of the story, any other error is not."""
        try:
            getattr(self, verb)(amount)
        except psycopg.Error as exc:
            if not str(exc.sqlstate).startswith("SH"):
                raise

    def request(self, query: str, kind: str, *values: object) -> None:
        key = self.shop.key(kind)
        self.shop.ask(query, USER, key, self.payments[-1], *values)
        self.pending.append(key)

    def authorize(self, amount: int) -> None:
        key = self.shop.key("auth")
        values = (ORDER, self.shop.method(), amount, "USD")
        self.payments.append(self.shop.ask(AUTHORIZE, USER, key, *values)["payment_id"])
        self.pending.append(key)

    def capture(self, amount: int) -> None:
        if self.payments:
            self.request(CAPTURE, "cap", amount)

    def refund(self, amount: int) -> None:
        if self.payments:
            self.request(REFUND, "re", amount)

    def void(self, _: int) -> None:
        if self.payments:
            self.request(VOID, "void")

    def answer(self, _: int) -> None:
        if self.pending:
            key = self.pending.pop()
            self.shop.ask(RESULT, USER, key, f"ref-{key}")
            if key.startswith("re-"):
                self.refunds.append(key)

    def fail(self, _: int) -> None:
        if self.pending:
            self.shop.ask(FAILURE, USER, self.pending.pop())

    def dispute(self, amount: int) -> None:
        if self.payments:
            row = self.shop.ask(DISPUTE, USER, self.payments[-1], self.shop.key("dp"), amount)
            self.disputes.append(row["dispute_id"])

    def win(self, _: int) -> None:
        if self.disputes:
            self.shop.ask(RESOLVE, USER, self.disputes.pop(), "won")

    def lose(self, _: int) -> None:
        if self.disputes:
            self.shop.ask(RESOLVE, USER, self.disputes.pop(), "lost")

    def bounce(self, _: int) -> None:
        if self.refunds:
            event = self.shop.key("evt")
            self.shop.ask(EVENT, None, event, "refund.failed", f"ref-{self.refunds.pop()}", "other")

    def settle(self, _: int) -> None:
        self.shop.app.execute(SETTLE, [2])

    def snapshot(self, _: int) -> None:
        self.shop.app.execute("SELECT payment.snapshot_ledger_balances()")

    def unknown(self, _: int) -> None:
        self.shop.owner.execute("UPDATE payment.payment_requests SET created_at = now() - interval '1 hour'")
        self.shop.app.execute("SELECT * FROM payment.cleanup_expired_payments(1)")

    def expire(self, _: int) -> None:
        self.shop.owner.execute("UPDATE payment.payments SET capture_before = now() - interval '1 hour' WHERE capture_before IS NOT NULL")
        self.shop.app.execute("SELECT * FROM payment.cleanup_expired_payments(1)")


def test_the_books_are_sound_after_any_sequence(pg_service: Callable[[str], Database]) -> None:
    """Whatever is done, in whatever order, the ledger sums to zero and follows the payments."""
    db = pg_service("payment")
    shop = Shop(db, db.connect("app"), db.connect("owner"))

    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(st.lists(STEPS, min_size=4, max_size=25))
    def check(steps: list[tuple[str, int]]) -> None:
        story = Story(shop)
        for verb, amount in [
            ("authorize", 50),
            ("answer", 0),
            ("capture", 40),
            ("answer", 0),
            *steps,
        ]:
            story.step(verb, amount)
        assert shop.faults() == []
        sums = "SELECT currency FROM payment.ledger_entries GROUP BY 1 HAVING sum(amount) <> 0"
        assert shop.owner.execute(sums).fetchall() == []

    check()


@pytest.mark.parametrize(("role", "granted"), [("app", APP_FUNCTIONS), ("ops", OPS_FUNCTIONS), ("readonly", set())])
def test_a_role_may_call_what_is_granted_to_it_and_nothing_else(
    pg_service: Callable[[str], Database], role: str, granted: set[str]
) -> None:
    """Asked of the server, logged in as the role."""
    rows = (
        pg_service("payment")
        .connect(role)
        .execute(
            "SELECT p.proname FROM pg_proc AS p WHERE p.pronamespace = 'payment'::regnamespace AND has_function_privilege(p.oid, 'EXECUTE')"
        )
    )
    assert {name for (name,) in rows} == granted


@pytest.mark.parametrize("role", ["app", "ops", "readonly"])
def test_no_role_but_the_owner_may_write_a_table(pg_service: Callable[[str], Database], role: str) -> None:
    """Asked of the server, logged in as the role."""
    rows = (
        pg_service("payment")
        .connect(role)
        .execute(
            "SELECT c.relname FROM pg_class AS c"
            " WHERE c.relnamespace = 'payment'::regnamespace AND c.relkind IN ('r', 'v', 'm')"
            " AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')"
        )
    )
    assert rows.fetchall() == []


def test_every_error_code_is_documented_and_tested() -> None:
    """A code that a function raises stands in the manual and in a test, and no other does."""
    raised = {
        code for path in (ROOT / "schemas/payment").rglob("*.sql.j2") for code in re.findall(r"ERRCODE = '(SH\d{3})'", path.read_text())
    }
    manual = (ROOT / "docs/shop/payment.md").read_text()
    documented = set(re.findall(r"^\| (SH\d{3}) \|", manual, re.MULTILINE))
    tested = {
        code
        for path in (ROOT / "tests/shop/payment").glob("*.sql")
        for code in re.findall(r"^-- raises: (SH\d{3})$", path.read_text(), re.MULTILINE)
    }
    assert raised == documented
    assert raised <= tested
