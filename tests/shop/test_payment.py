"""What the payment service promises when many ask at once."""

from __future__ import annotations

import itertools
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
from payment_shop import (
    AUTHORIZE,
    BLOCKED,
    CAPTURE,
    DEADLOCKS,
    DISPUTE,
    EVENT,
    EVIDENCE,
    FAILURE,
    ORDER,
    REFUND,
    RESOLVE,
    RESULT,
    SETTLE,
    USER,
    VOID,
    Shop,
    call,
    codes,
    race,
    sound_shop,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from payment_shop import Connection, Database

CLIENTS = 20


@pytest.fixture
def shop(pg_service: Callable[[str], Database]) -> Iterator[Shop]:
    yield from sound_shop(pg_service)


def test_racing_refunds_never_pass_what_was_captured(shop: Shop) -> None:
    """Of 50 clients that ask for 100 of 1,000 each, ten get it."""
    payment = shop.captured(1000)
    asked = race(shop.db, [call(REFUND, USER, f"re-{n}", payment, 100) for n in range(50)])
    assert codes(asked) == {"send": 10, "SH107": 40}
    assert shop.payment(payment)["refund_pending_amount"] == 1000

    granted = [n for n, answer in enumerate(asked) if not isinstance(answer, psycopg.Error)]
    told = race(shop.db, [call(RESULT, USER, f"re-{n}", f"rf-{n}") for n in granted])
    assert codes(told) == {"done": 10}
    row = shop.payment(payment)
    assert (row["refunded_amount"], row["refund_pending_amount"]) == (1000, 0)


def test_racing_captures_never_pass_the_authorization(shop: Shop) -> None:
    """Of 20 clients that capture 300 of 1,000 each, three may."""
    payment = shop.authorized(1000)
    asked = race(shop.db, [call(CAPTURE, USER, f"c-{n}", payment, 300) for n in range(CLIENTS)])
    assert codes(asked) == {"send": 3, "SH106": 17}


def test_a_void_and_a_capture_of_the_same_money_exclude_each_other(shop: Shop) -> None:
    """Whoever is first is in flight, and the others are refused; it is never both."""
    for turn in range(5):
        payment = shop.authorized(1000)
        jobs = [call(CAPTURE, USER, f"c-{turn}-{n}", payment, None) for n in range(4)]
        jobs += [call(VOID, USER, f"v-{turn}-{n}", payment) for n in range(4)]
        counts = codes(race(shop.db, jobs))
        row = shop.payment(payment)
        assert counts.pop("send") == 1
        assert set(counts) <= {"SH106", "SH108"}
        assert sorted([row["capture_pending_amount"], row["release_pending_amount"]]) == [0, 1000]


def test_a_dispute_and_a_refund_of_the_same_money_give_it_back_once(shop: Shop) -> None:
    """A refund that comes after the dispute is refused; a dispute is recorded in any case, and its loss is seen."""
    lost = 0
    for turn in range(4):
        payment = shop.captured(1000)
        jobs = [call(REFUND, USER, f"re-{turn}", payment, None), call(DISPUTE, USER, payment, f"dp-{turn}", 1000)]
        refund, dispute = race(shop.db, jobs)
        assert not isinstance(dispute, psycopg.Error)
        row = shop.payment(payment)
        assert row["dispute_open_amount"] == 1000
        if isinstance(refund, psycopg.Error):
            assert (refund.sqlstate, row["refund_pending_amount"]) == ("SH107", 0)
        else:
            shop.ask(RESULT, USER, f"re-{turn}", f"rf-{turn}")
            shop.ask("SELECT * FROM payment.resolve_dispute(%s, %s, 'lost')", USER, dispute[0])
            lost += 1000
    losses = "SELECT sum(balance) FROM payment.ledger_account_balances WHERE kind = 'losses'"
    assert shop.owner.execute(losses).fetchone() == (lost,)


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


def test_one_key_for_two_payments_goes_to_the_first(shop: Shop) -> None:
    """Captures of two payments don't lock each other out; under one key only one of them is made."""
    payments = [shop.authorized(1000), shop.authorized(1000)]
    jobs = [call(CAPTURE, USER, "one", payments[n % 2], 100) for n in range(CLIENTS)]
    counts = codes(race(shop.db, jobs))
    assert counts == {"send": 1, "wait": CLIENTS // 2 - 1, "SH103": CLIENTS // 2}
    assert sorted(shop.payment(p)["capture_pending_amount"] for p in payments) == [0, 100]


def test_racing_settlements_take_each_payment_once(shop: Shop) -> None:
    """Eight sweepers, on a ledger that never settled before, settle 40 payments in three currencies, none twice."""
    for _, currency in zip(range(40), itertools.cycle(["USD", "JPY", "KWD"]), strict=False):
        shop.captured(25, currency=currency)

    def sweep(connection: Connection) -> int:
        total = 0
        while rows := connection.execute(SETTLE, [3]).fetchall():
            total += sum(amount for *_, amount in rows)
        return total

    answers = race(shop.db, [sweep] * 8)
    assert [a for a in answers if isinstance(a, psycopg.Error)] == []
    assert sum(a for a in answers if isinstance(a, int)) == 1000
    counts = shop.app.execute(
        "SELECT count(*), count(DISTINCT payment_id), sum(amount) FROM payment.payment_transactions WHERE kind = 'settlement'"
    ).fetchone()
    assert counts == (40, 40, 1000)


def test_an_answer_and_the_sweep_that_gives_it_up_agree(shop: Shop) -> None:
    """Whichever is first, a request is answered in the end, was never failed, and is counted once."""
    keys = [shop.pending(100)[0] for _ in range(30)]
    shop.owner.execute("UPDATE payment.payment_requests SET created_at = now() - interval '1 hour'")

    def sweep(connection: Connection) -> Counter[str]:
        cleanup = "SELECT action FROM payment.cleanup_expired_payments(3)"
        return Counter(action for _ in range(20) for (action,) in connection.execute(cleanup).fetchall())

    def answer(connection: Connection) -> Counter[str]:
        return Counter(connection.execute(RESULT, [USER, key, f"ch-{key}"]).fetchall()[0][0] for key in keys)

    swept, other, answered = race(shop.db, [sweep, sweep, answer])
    assert isinstance(swept, Counter)
    assert isinstance(other, Counter)
    assert set(swept + other) <= {"unknown"}
    assert answered == Counter(done=30)
    states = "SELECT DISTINCT p.state, r.state FROM payment.payments AS p INNER JOIN payment.payment_requests AS r ON r.payment_id = p.id"
    assert shop.owner.execute(states).fetchall() == [("authorized", "succeeded")]
    history = "SELECT outcome, count(*) FROM payment.payment_transactions GROUP BY 1"
    counts = Counter({str(outcome): int(count) for outcome, count in shop.app.execute(history)})
    assert counts == Counter(succeeded=30) + swept + other


def test_a_late_answer_settles_what_was_unknown(shop: Shop) -> None:
    """An unknown capture holds its room, a success that comes late counts, and so does a failure."""
    for outcome, captured in [(RESULT, 600), (FAILURE, 0)]:
        payment = shop.authorized(1000)
        key = shop.key("cap")
        shop.ask(CAPTURE, USER, key, payment, 600)
        shop.owner.execute("UPDATE payment.payment_requests SET created_at = now() - interval '1 hour' WHERE key = %s", [key])
        swept = shop.ask("SELECT * FROM payment.cleanup_expired_payments(10)")
        assert (swept["action"], swept["payment_id"]) == ("unknown", payment)
        assert shop.ask(CAPTURE, USER, key, payment, 600)["action"] == "ask"
        with pytest.raises(psycopg.Error) as refusal:
            shop.ask(CAPTURE, USER, shop.key("cap"), payment, 500)
        assert refusal.value.sqlstate == "SH106"
        reference = ["late"] if outcome == RESULT else []
        assert shop.ask(outcome, USER, key, *reference)["action"] == "done"
        row = shop.payment(payment)
        assert (row["captured_amount"], row["capture_pending_amount"]) == (captured, 0)


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


def test_analytics_are_refreshed_beside_their_readers(shop: Shop) -> None:
    """A refresh neither waits for a transaction that reads the view nor locks it out, and a second does not queue."""
    shop.captured(1000)
    reader = shop.db.connect("readonly")
    totals = "SELECT coalesce(sum(captured_amount), 0) FROM payment.payment_analytics"
    refresh = "SELECT payment.refresh_payment_analytics()"
    with reader.transaction():
        assert reader.execute(totals).fetchone() == (0,)
        shop.app.execute("SET lock_timeout = '2s'")
        with shop.app.transaction():
            assert shop.app.execute(refresh).fetchone() == (True,)
            assert shop.db.connect("ops").execute(refresh).fetchone() == (False,)
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


def test_a_dispute_is_decided_behind_whoever_has_its_payment(shop: Shop) -> None:
    """Who has the payment gets the dispute too: a decision that waits for the payment holds nothing."""
    payment = shop.captured(1000)
    dispute = shop.ask(DISPUTE, USER, payment, "dp", 400)["dispute_id"]
    other = shop.db.connect("app")
    with ThreadPoolExecutor(1) as pool:
        with shop.app.transaction():
            shop.ask(REFUND, USER, "re", payment, 100)
            decision = pool.submit(other.execute, RESOLVE, [USER, dispute, "lost"])
            while shop.owner.execute(BLOCKED, [other.info.backend_pid]).fetchone() != (True,):
                assert not decision.done()
            shop.ask(EVIDENCE, USER, dispute)
        assert decision.result().fetchone() == (dispute, "lost", False)


def test_waiting_events_are_worked_off_by_one_caller_at_a_time(shop: Shop) -> None:
    """Two would hold customers' accounts in the order of their events, and wait for each other: the second has nothing to do."""
    refunds = []
    for n, user in enumerate([1, 2, 2, 1]):
        payment = shop.captured(100, user)
        shop.ask(EVENT, None, f"evt-{n}", "refund.succeeded", f"rf-{n}", None)
        shop.ask(REFUND, user, f"re-{n}", payment, 10)
        refunds.append((f"rf-{n}", f"re-{n}"))
    for pair in refunds:
        shop.owner.execute("UPDATE payment.payment_requests SET provider_reference = %s WHERE key = %s", pair)
    process = "SELECT payment_id FROM payment.process_provider_events(2)"
    other = shop.db.connect("app")
    other.execute("SET lock_timeout = '2s'")
    with shop.app.transaction():
        assert len(shop.app.execute(process).fetchall()) == 2
        assert other.execute(process).fetchall() == []
    assert len(other.execute(process).fetchall()) == 2


@pytest.mark.parametrize("first", ["capture", "dispute"])
def test_calls_of_two_customers_wait_for_no_account(shop: Shop, first: str) -> None:
    """Nor where they are the first of their kind: our own accounts are there before."""
    make = shop.authorized if first == "capture" else shop.captured
    payments = {user: make(1000, user) for user in (1, 2)}
    other = shop.db.connect("app")
    other.execute("SET lock_timeout = '2s'")
    with shop.app.transaction():
        for user, connection in ((1, shop.app), (2, other)):
            if first == "capture":
                connection.execute(CAPTURE, [user, "cap", payments[user], None])
                connection.execute(RESULT, [user, "cap", f"cp-{user}"])
            else:
                connection.execute(DISPUTE, [user, payments[user], f"dp-{user}", 100])
