"""An argument that no caller means is refused by its name, before a constraint shows the row: in order, the outbox and product.

The columns' own checks stay behind it; their errors have the whole row in DETAIL, which logs keep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
import pytest
from order_calls import LAMP, Bounded, Connection, Database, place, rows
from psycopg import sql
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from collections.abc import Callable

ORDER = {
    "p_user_id": 7,
    "p_idempotency_key": "k",
    "p_currency": "USD",
    "p_items": Jsonb([LAMP]),
    "p_recipient_name": "Zebulon",
    "p_shipping_address": Jsonb({"line_1": "Zebulon Road"}),
    "p_shipping_country": "GB",
    "p_contact_email": "zebulon@example.com",
}
NOTE = {"p_user_id": 7, "p_note_id": UUID(int=5), "p_author": "staff", "p_body": "Zebulon telephoned."}
PARCEL = {"p_user_id": 7, "p_parcel_number": 1, "p_carrier": "post", "p_tracking_number": "Zebulon-1"}
MOVE = {"p_user_id": 7, "p_to_state": "cancelled", "p_reason": "zebulon", "p_actor": "customer"}
KEY = {"p_user_id": 7, "p_scope": "pay", "p_key": "zebulon", "p_request_hash": b"z" * 32}
CLAIM = {"p_consumer": "t", "p_worker": "w"}
CONSUMER = {"p_name": "late"}
OFFER = {"p_product_id": 1, "p_currency": "USD", "p_price": 100, "p_stock": 5, "p_is_active": True}
REVIEW = {"p_user_id": 7, "p_product_id": 1, "p_rating": 5, "p_title": "Zebulon", "p_body": "Zebulon's"}
SENTENCE = "Zebulon Pike telephoned."

# role, function, a call that is good, the arguments that are not
CALLS: list[tuple[str, str, dict[str, Any], dict[str, list[Any]]]] = [
    (
        "app",
        "orders.create_order",
        ORDER,
        {
            "p_recipient_name": [None],
            "p_shipping_address": [None, Jsonb(["Zebulon"]), Jsonb("Zebulon")],
            "p_shipping_country": [None, "uk", "GBR", ""],
            "p_contact_email": [None],
        },
    ),
    (
        "app",
        "orders.claim_idempotency_key",
        KEY,
        {
            "p_user_id": [None],
            "p_scope": [None, "", "Zebulon", "a" * 64],
            "p_key": [None, "", "z" * 256],
            "p_request_hash": [None, b"zebulon"],
        },
    ),
    (
        "app",
        "orders.complete_idempotency_key",
        {"p_user_id": 7, "p_scope": "pay", "p_key": "held", "p_claim_token": None, "p_response": Jsonb({"id": 7})},
        {"p_response": [None]},
    ),
    ("app", "orders.transition_order", MOVE, {"p_reason": [None, SENTENCE, ""], "p_actor": [None, "robot"]}),
    ("app", "orders.confirm_order", {"p_user_id": 7}, {"p_reason": [None, SENTENCE], "p_actor": [None, "robot"]}),
    ("app", "orders.cancel_order", {"p_user_id": 7}, {"p_reason": [None, SENTENCE], "p_actor": [None, "robot"]}),
    (
        "app",
        "orders.add_order_note",
        NOTE,
        {"p_note_id": [None], "p_author": [None, "robot"], "p_body": [None, "", "z" * 4001], "p_is_internal": [None]},
    ),
    (
        "app",
        "orders.record_parcel",
        PARCEL,
        {"p_parcel_number": [None, 0], "p_carrier": [None], "p_delivered_at": ["2026-01-01"]},
    ),
    ("app", "orders.claim_outbox_events", CLAIM, {"p_worker": [None]}),
    (
        "ops",
        "orders.register_outbox_consumer",
        CONSUMER,
        {
            "p_name": [None, "Zebulon", "a" * 64],
            "p_event_types": [None],
            "p_event_order": [None, "loose"],
            "p_on_dead": [None, "forget"],
            "p_maximum_attempts": [0],
            "p_backoff_base": ["0"],
            "p_backoff_cap": ["-1 second"],
        },
    ),
    (
        "app",
        "product.set_offer",
        OFFER,
        {
            "p_product_id": [None],
            "p_currency": [None],
            "p_price": [None, -1],
            "p_stock": [None, -1],
            "p_is_active": [None],
            "p_low_stock_at": [-1],
        },
    ),
    (
        "app",
        "product.submit_review",
        REVIEW,
        {
            "p_user_id": [None],
            "p_product_id": [None],
            "p_rating": [None, 0, 6],
            "p_title": [None, "", " \n", "z" * 151],
            "p_body": ["z" * 5001],
        },
    ),
]


def call(connection: Connection, function: str, arguments: dict[str, Any]) -> None:
    """Call a function by the names of its arguments; numbers and texts are of the type that it wants."""
    given = sql.SQL(", ").join(
        sql.SQL("{} => {}{}").format(sql.Identifier(name), value, sql.SQL("::smallint" if name == "p_rating" else ""))
        for name, value in arguments.items()
    )
    connection.execute(sql.SQL("SELECT * FROM {}({})").format(sql.Identifier(*function.split(".")), given))


@pytest.fixture
def prepared(pg_service: Callable[[str], Database]) -> Callable[[str], Database]:
    """A database of the service with what the calls are about."""

    def prepare(service: str) -> Database:
        database = Bounded(pg_service(service))
        owner = database.connect("owner")
        if service == "order":
            owner.execute("SELECT orders.register_outbox_consumer('t')")
        else:
            owner.execute("INSERT INTO product.categories (path, slug, name) VALUES ('{}', 'lamps', 'Lamps')")
            owner.execute("INSERT INTO product.products (category_id, sku, name) VALUES (1, 'LAMP-1', 'Lamp')")
        return database

    return prepare


@pytest.mark.parametrize(("role", "function", "good", "bad"), CALLS, ids=[entry[1] for entry in CALLS])
def test_an_argument_that_no_caller_means_is_refused_by_its_name(
    prepared: Callable[[str], Database], role: str, function: str, good: dict[str, Any], bad: dict[str, list[Any]]
) -> None:
    """And nothing that was given is in the error; with the good one in its place the same call goes through."""
    database = prepared("product" if function.startswith("product.") else "order")
    connection = database.connect(role)
    if function.endswith(("order", "note", "parcel")) and function != "orders.create_order":
        good = {**good, "p_order_id": place(connection, 7, "one")["order_id"]}
    if "p_claim_token" in good:
        (claim,) = rows(connection, "SELECT * FROM orders.claim_idempotency_key(7, 'pay', 'held', %s)", b"z" * 32)
        good = {**good, "p_claim_token": claim["claim_token"]}

    for name, values in bad.items():
        for value in values:
            with pytest.raises(psycopg.Error) as refusal:
                call(connection, function, {**good, name: value})
            diag = refusal.value.diag
            assert (diag.sqlstate, diag.constraint_name) == ("SH481", "arguments"), (name, value)
            assert str(diag.message_detail).startswith(f"{name}: ")
            assert "zebulon" not in str(refusal.value).lower()
    call(connection, function, good)


def test_a_parcel_is_delivered_after_it_left_by_what_is_known_of_it(prepared: Callable[[str], Database]) -> None:
    """The two times may be told in two calls."""
    app = prepared("order").connect()
    good = {**PARCEL, "p_order_id": place(app, 7, "one")["order_id"]}
    call(app, "orders.record_parcel", {**good, "p_shipped_at": "2026-01-02"})
    for name, value in (("p_delivered_at", "2026-01-01"), ("p_delivered_at", "2026-01-02"), ("p_shipped_at", "2026-01-03")):
        if value == "2026-01-02":
            call(app, "orders.record_parcel", {**good, name: value})
            continue
        with pytest.raises(psycopg.Error) as refusal:
            call(app, "orders.record_parcel", {**good, name: value})
        assert refusal.value.diag.sqlstate == "SH481"


@pytest.mark.parametrize(("service", "schema"), [("order", "orders"), ("product", "product")])
@pytest.mark.parametrize("role", ["app", "ops"])
def test_no_granted_function_runs_into_a_constraint_with_nothing(
    prepared: Callable[[str], Database], service: str, schema: str, role: str
) -> None:
    """Every argument NULL."""
    connection = prepared(service).connect(role)
    functions = rows(
        connection,
        "SELECT p.proname, array_to_string(array_agg('NULL::' || t.type::regtype ORDER BY t.place), ', ') AS nothing"
        " FROM pg_proc AS p LEFT JOIN unnest(p.proargtypes::oid[]) WITH ORDINALITY AS t (type, place) ON TRUE"
        " WHERE p.pronamespace = %s::regnamespace AND p.prorettype <> 'trigger'::regtype AND has_function_privilege(p.oid, 'EXECUTE')"
        " GROUP BY p.oid, p.proname",
        schema,
    )
    states = {}
    for function in functions:
        try:
            connection.execute(f"SELECT {schema}.{function['proname']}({function['nothing'] or ''})".encode())
        except psycopg.Error as refusal:
            states[function["proname"]] = refusal.sqlstate

    assert functions
    assert {name: state for name, state in states.items() if str(state).startswith("23")} == {}


def test_lines_whose_sums_are_too_large_are_no_overflow(prepared: Callable[[str], Database]) -> None:
    """Discounted to a total that is allowed, fifty of the largest lines add up to what a column holds."""
    app = prepared("order").connect()
    quantity, price = 999_999, 99_999_999_999
    line = {**LAMP, "quantity": quantity, "unit_price": price, "discount": quantity * price - 1000}

    assert place(app, 7, "large", [line] * 50)["outcome"] == "created"
    line = {**line, "unit_price": 100_000_000_000, "discount": 0}
    assert {violation["code"] for violation in place(app, 7, "larger", [line])["violations"]} >= {"SH007"}
