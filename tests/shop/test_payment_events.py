"""What the payment service makes of a provider's events, in whatever order and how often they come."""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from payment_shop import AUTHORIZE, CAPTURE, EVENT, FAILURE, ORDER, REFUND, RESULT, USER, VOID, Shop, call, codes, race, sound_shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from payment_shop import Database

CLIENTS = 20
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
TOLD = """
SELECT * FROM payment.record_provider_event(%(user)s, 'testpay', %(id)s, %(kind)s, %(at)s, %(request)s, %(reference)s, %(about)s,
    %(amount)s, %(currency)s, %(failure)s, p_dispute_reason => %(reason)s)
"""
# how everything stands, whatever led to it
STANDING = """
SELECT jsonb_build_array(
    (SELECT to_jsonb(p) - ARRAY['id', 'created_at', 'updated_at', 'version', 'authorized_at', 'capture_before', 'order_id',
        'payment_method_id'] FROM payment.payments AS p WHERE p.id = %(payment)s),
    (SELECT jsonb_object_agg(r.kind || r.amount, ARRAY[r.state, r.failure_category, r.provider_reference])
        FROM payment.payment_requests AS r WHERE r.payment_id = %(payment)s),
    (SELECT jsonb_agg(f.state) FROM payment.refunds AS f WHERE f.payment_id = %(payment)s),
    (SELECT jsonb_agg(d.state) FROM payment.payment_disputes AS d WHERE d.payment_id = %(payment)s),
    (SELECT count(*) FROM payment.provider_events WHERE state = 'waiting'),
    (SELECT jsonb_object_agg(s.kind, s.amount) FROM (
        SELECT a.kind, sum(e.amount) AS amount
        FROM payment.ledger_transfers AS t
        INNER JOIN payment.ledger_entries AS e ON e.transfer_id = t.id
        INNER JOIN payment.ledger_accounts AS a ON a.id = e.account_id
        WHERE t.payment_id = %(payment)s
        GROUP BY a.kind HAVING sum(e.amount) <> 0) AS s)
)
"""


@pytest.fixture
def shop(pg_service: Callable[[str], Database]) -> Iterator[Shop]:
    yield from sound_shop(pg_service)


def event(kind: str, hour: int, **details: object) -> dict[str, Any]:
    """Make an event that the provider tells."""
    empty = dict.fromkeys(["user", "request", "reference", "about", "amount", "currency", "failure", "reason"])
    return empty | {"kind": kind, "at": NOON + timedelta(hours=hour)} | details


def history(shop: Shop, kinds: list[str]) -> tuple[object, list[dict[str, Any]]]:
    """Make a payment of 1,000: 400 captured, and a capture and a refund on their way; return it and what the provider will tell."""
    payment = shop.authorized(1000)
    first = shop.key("cap")
    shop.ask(CAPTURE, USER, first, payment, 400)
    shop.ask(RESULT, USER, first, f"cp-{first}")
    capture = shop.ask(CAPTURE, USER, shop.key("cap"), payment, 600)["request_id"]
    refund = shop.ask(REFUND, USER, shop.key("re"), payment, 150)["request_id"]
    dispute = shop.key("dp")
    told = {
        "capture.failed": event("capture.failed", 1, request=capture, failure="provider_unavailable"),
        "capture.succeeded": event("capture.succeeded", 2, request=capture, reference="cp-told"),
        "refund.succeeded": event("refund.succeeded", 3, request=refund, reference="re-told"),
        "refund.failed": event("refund.failed", 4, request=refund, reference="re-told", failure="other"),
        # of more than is captured before the second capture
        "dispute.opened": event(
            "dispute.opened", 5, about=f"cp-{first}", reference=dispute, amount=700, currency="USD", reason="fraudulent"
        ),
        "dispute.lost": event("dispute.lost", 6, about=f"cp-{first}", reference=dispute),
    }
    return payment, [told[kind] for kind in kinds]


@pytest.mark.parametrize(
    ("kinds", "refunded", "lost"),
    [
        (["capture.succeeded", "refund.succeeded", "dispute.opened", "dispute.lost"], 150, 700),
        (["capture.failed", "capture.succeeded", "refund.succeeded", "refund.failed"], 0, 0),
    ],
    ids=["a dispute", "a failure that is overturned and a refund that comes back"],
)
def test_every_order_of_events_ends_in_the_same_state(shop: Shop, kinds: list[str], refunded: int, lost: int) -> None:
    """All permutations, some events told twice: an event before what it is about, a success after its failure."""
    sure = random.Random(4)  # noqa: S311 the same repetitions in every run
    ends: Counter[str] = Counter()
    for number, order in enumerate(itertools.permutations(range(len(kinds)))):
        payment, events = history(shop, kinds)
        told = [events[n] | {"id": f"evt-{number}-{n}"} for n in order]
        told.insert(sure.randrange(len(told)), sure.choice(told))
        for one in [*told, sure.choice(told)]:
            shop.app.execute(TOLD, one)
        while shop.app.execute("SELECT * FROM payment.process_provider_events(10)").fetchall():
            pass
        row = shop.owner.execute(f"SELECT ({STANDING})::text", {"payment": payment}).fetchone()
        assert row is not None
        ends[re.sub(r'"(ch|cp)[-_][^"]*-[0-9]+"', "", row[0])] += 1
        end = shop.payment(payment)
        assert (end["state"], end["captured_amount"], end["refunded_amount"], end["dispute_lost_amount"]) == (
            "captured",
            1000,
            refunded,
            lost,
        )
    assert len(ends) == 1, ends


def test_a_success_that_is_told_after_a_failure_counts_while_there_is_room(shop: Shop) -> None:
    """A failed authorization is authorized after all; a failed capture whose room is taken is for people to look at."""
    key, payment = shop.pending(1000)
    shop.ask(FAILURE, USER, key)
    request = shop.ask(
        "SELECT request_id FROM payment.process_payment_authorization(%s, %s, %s, %s, %s, %s)", USER, key, ORDER, shop.method(), 1000, "USD"
    )["request_id"]
    told = event("authorization.succeeded", 1, id="evt-a", request=request, reference="ch-late")
    assert shop.app.execute(TOLD, told).fetchall()[0][0] == "applied"
    row = shop.payment(payment)
    assert (row["state"], row["authorized_amount"]) == ("authorized", 1000)
    assert shop.ask(AUTHORIZE, USER, key, ORDER, shop.method(), 1000, "USD")["state"] == "succeeded"

    for kind, query, values in [("void", VOID, ()), ("capture", CAPTURE, (1000,))]:
        failed = shop.ask(query, USER, shop.key(kind), payment, *values)["request_id"]
        shop.ask(FAILURE, USER, f"{kind}-1")
        shop.ask(CAPTURE, USER, f"taken-{kind}", payment, 1)
        told = event(f"{kind}.succeeded", 2, id=f"evt-{kind}", request=failed, reference=f"late-{kind}")
        assert shop.app.execute(TOLD, told).fetchall()[0][0] == "conflict"
        shop.ask(FAILURE, USER, f"taken-{kind}")
    assert shop.payment(payment)["captured_amount"] == 0


def test_a_void_that_failed_is_made_after_all(shop: Shop) -> None:
    """Where nothing was captured meanwhile, its success counts."""
    payment = shop.authorized(1000)
    request = shop.ask(VOID, USER, "v", payment)["request_id"]
    shop.ask(FAILURE, USER, "v")
    told = event("void.succeeded", 1, id="evt", request=request, reference="late")
    assert shop.app.execute(TOLD, told).fetchall()[0][0] == "applied"
    assert shop.payment(payment)["state"] == "voided"


def test_an_answer_and_its_event_settle_a_capture_once(shop: Shop) -> None:
    """The answer and the provider's event, at the same moment and often, capture once."""
    payment = shop.authorized(1000)
    request = shop.ask(CAPTURE, USER, "cap", payment, None)["request_id"]
    told = "SELECT * FROM payment.record_provider_event(%s, 'testpay', %s, 'capture.succeeded', now(), %s, 'cp')"
    jobs = [call(RESULT, USER, "cap", "cp")] * 5
    jobs += [call(told, USER, f"evt-{n}", request) for n in range(5)]
    counts = codes(race(shop.db, jobs))
    assert counts["done"] == 5
    assert counts["applied"] + counts["ignored"] == 5
    row = shop.payment(payment)
    assert (row["captured_amount"], row["capture_pending_amount"]) == (1000, 0)


def test_racing_answers_of_both_kinds_leave_one(shop: Shop) -> None:
    """Of answers that contradict each other the first holds, and whoever says otherwise is refused."""
    payment = shop.authorized(1000)
    shop.ask(CAPTURE, USER, "cap", payment, None)
    jobs = [call(RESULT, USER, "cap", "cp")] * 6 + [call(FAILURE, USER, "cap")] * 6
    assert codes(race(shop.db, jobs)) == {"done": 6, "SH110": 6}
    row = shop.payment(payment)
    assert (row["captured_amount"], row["capture_pending_amount"]) in {(1000, 0), (0, 0)}
    counts = "SELECT count(*) FROM payment.payment_transactions WHERE kind = 'capture'"
    assert shop.app.execute(counts).fetchone() == (1,)


def test_one_event_is_taken_in_once(shop: Shop) -> None:
    """An event that 20 clients deliver at once is one row, and one delivery is no duplicate."""
    shop.captured(1000)
    jobs = [call(EVENT, None, "evt", "authorization.succeeded", "ch_7_auth-1", None)] * CLIENTS
    answers = race(shop.db, jobs)
    assert codes(answers) == {"ignored": CLIENTS}
    assert Counter(a[2] for a in answers if not isinstance(a, psycopg.Error))[False] == 1
