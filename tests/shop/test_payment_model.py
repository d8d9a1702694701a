"""Any sequence of calls, allowed and refused, leaves the payment service where a simple model of it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from payment_model import Payment, Request, total
from payment_shop import AUTHORIZE, CAPTURE, DISPUTE, EVENT, FAILURE, ORDER, REFUND, RESOLVE, RESULT, SETTLE, USER, VOID, Shop, sound_shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from payment_shop import Database

CURRENCIES = ["JPY", "USD", "KWD"]  # 0, 2 and 3 decimals
PART = "SELECT * FROM payment.record_provider_result(%s, %s, TRUE, %s, %s)"
VERBS = ["authorize", "capture", "refund", "void", "dispute"] * 2
VERBS += ["answer", "answer", "answer", "fail", "again", "contradict", "replay", "win", "lose", "bounce", "settle", "unknown", "expire"]
STEPS = st.tuples(st.sampled_from(VERBS), st.integers(0, 5), st.one_of(st.none(), st.integers(1, 60)))
BALANCES = "SELECT kind, currency, sum(balance)::bigint FROM payment.ledger_account_balances GROUP BY 1, 2 HAVING sum(balance) <> 0"
ROW = """
SELECT currency, amount, state, authorized_amount, capture_pending_amount, captured_amount, release_pending_amount, released_amount,
    refund_pending_amount, refunded_amount, dispute_open_amount, dispute_lost_amount, settled_amount
FROM payment.payments WHERE id = %s
"""


@dataclass(slots=True)
class Story:
    """The same calls, to the service and to the model."""

    shop: Shop
    ids: list[object] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    disputes: list[tuple[object, int, int]] = field(default_factory=list)
    # where this example begins: sweeps reach the payments of those before it as well
    first_payment: int = 0
    first_request: int = 0
    first_dispute: int = 0

    def expect(self, code: str | None, query: str, *values: object) -> dict[str, object]:
        """Call the service; it must refuse with that code, or answer."""
        try:
            row = self.shop.ask(query, *values)
        except psycopg.Error as exc:
            refusal = exc
        else:
            assert code is None, (code, row)
            return row
        assert refusal.sqlstate == code, refusal
        return {}

    def begin(self) -> None:
        """Leave the payments of the examples before to the sweeps."""
        self.first_payment, self.first_request, self.first_dispute = len(self.payments), len(self.requests), len(self.disputes)

    def step(self, verb: str, which: int, amount: int | None) -> None:
        payments, requests = len(self.payments) - self.first_payment, len(self.requests) - self.first_request
        disputes = len(self.disputes) - self.first_dispute
        if verb in {"settle", "unknown", "expire", "authorize"}:
            getattr(self, verb)(which, amount)
        elif verb in {"capture", "refund", "void", "dispute"} and payments:
            getattr(self, verb)(self.first_payment + which % payments, amount)
        elif verb in {"win", "lose"} and disputes:
            self.decide(self.first_dispute + which % disputes, verb)
        elif verb in {"answer", "fail", "again", "contradict", "replay", "bounce"} and requests:
            # the newest ones, in any order
            getattr(self, verb)(self.requests[-1 - which % requests], amount)

    def authorize(self, which: int, amount: int | None) -> None:
        key, currency = self.shop.key("auth"), CURRENCIES[which % 3]
        row = self.expect(None, AUTHORIZE, USER, key, ORDER, self.shop.method(), amount or 50, currency)
        self.requests.append(Request(key, "authorization", len(self.ids), amount or 50))
        self.payments.append(Payment(currency, amount or 50))
        self.ids.append(row["payment_id"])

    def request(self, kind: str, which: int, amount: int, code: str | None, query: str, *values: object) -> None:
        key = self.shop.key(kind)
        self.expect(code, query, USER, key, self.ids[which], *values)
        if code is None:
            self.requests.append(Request(key, kind, which, amount))
            pending = {"capture": "capture_pending", "refund": "refund_pending", "void": "release_pending"}[kind]
            payment = self.payments[which]
            setattr(payment, pending, getattr(payment, pending) + amount)

    def capture(self, which: int, amount: int | None) -> None:
        payment = self.payments[which]
        self.request("capture", which, amount or payment.left, payment.check_capture(amount), CAPTURE, amount)

    def refund(self, which: int, amount: int | None) -> None:
        payment = self.payments[which]
        self.request("refund", which, amount or payment.refundable, payment.check_refund(amount), REFUND, amount)

    def void(self, which: int, _: int | None) -> None:
        payment = self.payments[which]
        self.request("void", which, payment.left, payment.check_void(), VOID)

    def dispute(self, which: int, amount: int | None) -> None:
        payment, amount = self.payments[which], amount or 10
        code = payment.check_dispute(amount)
        row = self.expect(code, DISPUTE, USER, self.ids[which], self.shop.key("dp"), amount)
        if code is None:
            payment.disputed += amount
            self.disputes.append((row["dispute_id"], which, amount))

    def decide(self, which: int, verb: str) -> None:
        dispute, payment, amount = self.disputes.pop(which)
        self.expect(None, RESOLVE, USER, dispute, {"win": "won", "lose": "lost"}[verb])
        self.payments[payment].disputed -= amount
        self.payments[payment].lost += amount if verb == "lose" else 0

    def answer(self, request: Request, part: int | None) -> None:
        """A success; an authorization may be granted in part, nothing else."""
        if request.state not in {"pending", "unknown"}:
            return
        granted = min(part or request.amount, request.amount)
        code = "SH114" if granted < request.amount and request.kind != "authorization" else None
        self.expect(code, PART, USER, request.key, f"ref-{request.key}", granted)
        if code is None:
            request.state = "succeeded"
            self.payments[request.payment].answer(request.kind, request.amount, granted)

    def fail(self, request: Request, _: int | None) -> None:
        if request.state in {"pending", "unknown"}:
            self.expect(None, FAILURE, USER, request.key)
            request.state = "failed"
            self.payments[request.payment].answer(request.kind, request.amount, None)

    def again(self, request: Request, _: int | None) -> None:
        """The same answer once more changes nothing."""
        if request.state == "succeeded":
            assert self.expect(None, RESULT, USER, request.key, f"ref-{request.key}")["action"] == "done"
        elif request.state == "failed":
            assert self.expect(None, FAILURE, USER, request.key)["action"] == "done"

    def contradict(self, request: Request, _: int | None) -> None:
        if request.state == "succeeded":
            self.expect("SH110", FAILURE, USER, request.key)
        elif request.state in {"failed", "returned"}:
            self.expect("SH110" if request.state == "failed" else None, RESULT, USER, request.key, f"ref-{request.key}")

    def replay(self, request: Request, _: int | None) -> None:
        """The same key for something else is refused."""
        self.expect("SH103", CAPTURE, USER, request.key, self.ids[request.payment], 59_000)

    def bounce(self, request: Request, _: int | None) -> None:
        """The provider tells that a refund came back."""
        if request.kind == "refund" and request.state == "succeeded":
            row = self.expect(None, EVENT, None, self.shop.key("evt"), "refund.failed", f"ref-{request.key}", "other")
            assert row["state"] == "applied"
            request.state = "returned"
            self.payments[request.payment].refunded -= request.amount

    def settle(self, *_: object) -> None:
        while self.shop.app.execute(SETTLE, [2]).fetchall():
            pass
        for payment in self.payments:
            payment.settle()

    def unknown(self, *_: object) -> None:
        """Requests wait too long, and are swept."""
        self.shop.owner.execute("UPDATE payment.payment_requests SET created_at = now() - interval '1 hour' WHERE state = 'pending'")
        for request in self.requests:
            if request.state == "pending":
                request.state = "unknown"
                if request.kind == "authorization":
                    self.payments[request.payment].state = "unknown"
        self.sweep()

    def expire(self, *_: object) -> None:
        """Authorizations lapse, and are swept."""
        self.shop.owner.execute("UPDATE payment.payments SET capture_before = now() - interval '1 hour' WHERE capture_before IS NOT NULL")
        for payment in self.payments:
            payment.lapse()
        self.sweep()

    def sweep(self) -> None:
        self.shop.app.execute("SELECT * FROM payment.cleanup_expired_payments(10000)")
        for payment in self.payments:
            payment.sweep()

    def check(self) -> None:
        """The service stands where the model does, to the last unit."""
        for number, payment in list(enumerate(self.payments))[self.first_payment :]:
            row = self.shop.owner.execute(ROW, [self.ids[number]]).fetchone()
            head = (payment.currency, payment.amount, payment.state, payment.authorized, payment.capture_pending, payment.captured)
            middle = (payment.release_pending, payment.released, payment.refund_pending, payment.refunded)
            assert row == (*head, *middle, payment.disputed, payment.lost, payment.settled)
        self.shop.app.execute("SELECT payment.snapshot_ledger_balances()")
        assert self.shop.faults() == []
        balances = {(kind, currency): amount for kind, currency, amount in self.shop.owner.execute(BALANCES)}
        assert balances == total(self.payments)


@pytest.fixture
def shop(pg_service: Callable[[str], Database]) -> Iterator[Shop]:
    yield from sound_shop(pg_service)


def test_the_service_does_what_the_model_does(shop: Shop) -> None:
    """Refusals included, in currencies of 0, 2 and 3 decimals; the books agree with it after every sequence."""
    story = Story(shop)

    @settings(max_examples=40)
    @given(st.lists(STEPS, min_size=4, max_size=30))
    def check(steps: list[tuple[str, int, int | None]]) -> None:
        story.begin()
        for verb, which, amount in [("authorize", 1, 50), ("answer", 0, None), ("capture", 0, 40), ("answer", 0, None), *steps]:
            story.step(verb, which, amount)
        story.check()

    check()
