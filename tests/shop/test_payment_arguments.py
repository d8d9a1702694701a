"""No argument of the payment service's calls ends in an error of the server's own, whose detail shows the row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from payment_shop import CAPTURE, DISPUTE, ORDER, REFUND, USER, Shop, sound_shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from payment_shop import Database

NOON = "2026-11-26 12:00+00"
# what a caller may pass by mistake, by type; in the texts stands a mark
MARK = "zebulon"
LONG = f"{MARK} {'0123456789abcdef' * 300}"
MISTAKES: dict[str, list[object]] = {
    "bigint": [None, -(2**63), -1, 0, 1, 2**63 - 1],
    "integer": [None, -(2**31), -1, 0, 2**31 - 1],
    "text": [None, "", MARK, MARK.upper(), f"{MARK} smith", "\n", "é" * 40, MARK * 40, LONG],
    "uuid": [None, ORDER],
    "boolean": [None, True, False],
    "timestamp with time zone": [None, "-infinity", "infinity", "294276-12-31 00:00+00"],
    "date": [None, "-infinity", "infinity"],
    "bytea": [None, b"", b"x" * 33],
}
# what is refused as no caller's meaning, and not by a rule with a code of its own
REFUSED = {
    "add_dispute_evidence": {"p_document_sha256", "p_document_uri", "p_is_last", "p_key", "p_kind"},
    "add_payment_method": {"p_user_id"},
    "open_dispute": {"p_provider_reference", "p_reason"},
    "process_payment_authorization": {"p_amount", "p_order_id", "p_user_id"},
    "record_provider_event": {
        "p_amount",
        "p_currency",
        "p_dispute_reason",
        "p_event_id",
        "p_failure_category",
        "p_failure_code",
        "p_kind",
        "p_occurred_at",
        "p_provider",
        "p_provider_reference",
    },
    "record_provider_result": {"p_failure_code", "p_occurred_at", "p_provider_reference"},
    "refund_payment": {"p_reason"},
}
ARGUMENTS = """
SELECT p.proname, p.proargnames[1:p.pronargs], p.proargtypes::regtype[]::text[] FROM pg_proc AS p
WHERE p.pronamespace = 'payment'::regnamespace AND p.pronargs > 0 AND has_function_privilege(p.oid, 'EXECUTE')
"""


@pytest.fixture
def shop(pg_service: Callable[[str], Database]) -> Iterator[Shop]:
    yield from sound_shop(pg_service)


def calls(shop: Shop) -> list[tuple[str, list[object]]]:
    """Make calls that succeed, one of each function that the app may call, and of some several."""
    method, open_payment, payment = shop.method(), shop.authorized(1000), shop.captured(1000)
    pending, _ = shop.pending(1000)
    refund = shop.ask(REFUND, USER, "asked", payment, 100)["request_id"]
    shop.ask(CAPTURE, USER, "in-flight", open_payment, 100)
    dispute = shop.ask(DISPUTE, USER, payment, "dp_1", 100)["dispute_id"]
    told = [USER, "testpay", "evt"]
    return [
        ("add_dispute_evidence", [USER, dispute, "key", "receipt", "s3://evidence/1", b"x" * 32, True]),
        ("add_payment_method", [USER, "testpay", "tok_another", "card", "visa", "4242", "2030-12-31"]),
        ("capture_payment", [USER, "key", open_payment, 100]),
        ("cleanup_expired_payments", [10]),
        ("is_card_number", ["4111"]),
        ("open_dispute", [USER, payment, "dp_2", 100, "fraudulent", NOON, NOON]),
        ("process_payment_authorization", [USER, "key", ORDER, method, 100, "USD"]),
        ("process_provider_events", [10]),
        ("record_provider_event", [*told, "refund.failed", NOON, refund, "re", None, None, "USD", "other", "503", None, None]),
        ("record_provider_event", [*told, "refund.succeeded", NOON, refund, "re", None, 100, "USD", None, None, None, None]),
        ("record_provider_event", [*told, "dispute.opened", NOON, None, "dp_2", "cp_7_cap-1", 100, "USD", None, None, "fraudulent", NOON]),
        ("record_provider_event", [*told, "dispute.lost", NOON, None, "dp_1", "cp_7_cap-1", 100, "USD", None, None, None, None]),
        ("record_provider_result", [USER, pending, True, "ch", 100, None, None, None, NOON]),
        ("record_provider_result", [USER, "in-flight", False, "cp", None, "declined", "51", True, NOON]),
        ("refund_payment", [USER, "key", payment, "goodwill", 100]),
        ("remove_payment_method", [USER, method]),
        ("resolve_dispute", [USER, dispute, "won", NOON]),
        ("settle_payments", [10]),
        ("void_payment", [USER, "key", shop.authorized(1000)]),
    ]


def refusal(shop: Shop, function: str, names: list[str], types: list[str], values: list[object]) -> psycopg.Error | None:
    """Make a call and undo it; what only a COMMIT would say is asked too."""
    said = ", ".join(f"{name} => %s::{kind}" for name, kind in zip(names, types, strict=True))
    try:
        with shop.app.transaction(force_rollback=True):
            shop.app.execute(f"SELECT * FROM payment.{function}({said})".encode(), values)
            shop.app.execute("SELECT * FROM payment.process_provider_events()")
            shop.app.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except psycopg.Error as exc:
        return exc
    return None


def test_whatever_is_passed_by_mistake_is_refused_in_the_services_words(shop: Shop) -> None:
    """Each argument of each call is every mistake in turn: it is taken, or refused with a code of class SH, and SH481 shows no value."""
    signatures: dict[str, tuple[list[str], list[str]]] = {
        name: (names, types) for name, names, types in shop.app.execute(ARGUMENTS).fetchall()
    }
    made = calls(shop)
    assert {function for function, _ in made} == set(signatures)
    raw: list[Any] = []
    refused: dict[str, set[str]] = {}
    for function, values in made:
        names, types = signatures[function]
        assert refusal(shop, function, names, types, values) is None
        for place, (name, kind) in enumerate(zip(names, types, strict=True)):
            for mistake in MISTAKES[kind]:
                error = refusal(shop, function, names, types, [*values[:place], mistake, *values[place + 1 :]])
                if error is not None and not str(error.sqlstate).startswith("SH"):
                    raw.append((function, name, mistake, error.sqlstate, str(error)[:300]))
                elif error is not None and error.sqlstate == "SH481":
                    assert MARK not in str(error).lower()
                    refused.setdefault(function, set()).add(name)
    assert raw == []
    assert refused == REFUSED


def test_two_payments_of_the_highest_amount_stand_in_the_books(shop: Shop) -> None:
    """No sum of the ledger's passes what it can hold."""
    for _ in range(2):
        shop.captured(10**14)
    assert shop.ask("SELECT * FROM payment.settle_payments(10)")["amount"] == 2 * 10**14
