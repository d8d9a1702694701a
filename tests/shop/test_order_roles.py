"""What each role may do with orders and the outbox, asked as that role: it logs in."""

from __future__ import annotations

from collections.abc import Callable
from typing import LiteralString

import psycopg
import pytest
from order_calls import Bounded, Connection, Database, outcome_of, place, rows


@pytest.fixture
def db(pg_service: Callable[[str], Database]) -> Database:
    """Give an order database without seeds."""
    return Bounded(pg_service("order"))


@pytest.fixture
def owner(db: Database) -> Connection:
    """Give a session of the owner, who may do by hand what the functions do."""
    return db.connect("owner")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO orders.orders (user_id) VALUES (1)",
        "UPDATE orders.orders SET state = 'confirmed'",
        "DELETE FROM orders.orders",
        "TRUNCATE orders.orders CASCADE",
        "INSERT INTO orders.order_items (order_id) VALUES (gen_random_uuid())",
        "SELECT recipient_name FROM orders.orders",
        "SELECT body FROM orders.order_notes",
        "SELECT tracking_number FROM orders.order_fulfillment",
        "SELECT * FROM orders.idempotency_keys",
        "INSERT INTO orders.outbox_events (type) VALUES ('forged')",
        "DELETE FROM orders.outbox_deliveries",
        "SELECT * FROM orders.outbox_dead_letters",
        "SELECT * FROM audit.row_changes",
        "SELECT * FROM ops.privacy_keys",
        "SELECT orders.insert_order(1, 'USD', '[]', 'A', '{}', 'GB', 'a', 'b')",
        "SELECT orders.expire_order(gen_random_uuid())",
        "SELECT orders.register_outbox_consumer('spy')",
        "SELECT orders.requeue_dead_letters('t')",
        "CREATE TABLE orders.mine (id bigint)",
        "ALTER TABLE orders.orders DISABLE TRIGGER ALL",
    ],
)
def test_the_app_is_refused(db: Database, statement: LiteralString) -> None:
    """The app writes through functions only, and reads neither persons in bulk nor the trail."""
    assert outcome_of(db.connect("app"), statement) == "42501"


@pytest.mark.parametrize("role", ["app", "readonly", "ops"])
def test_the_figures_of_orders_are_readable(db: Database, role: str) -> None:
    """What is not personal may be read."""
    assert outcome_of(db.connect(role), "SELECT id, state, total FROM orders.orders") == "00000"
    assert outcome_of(db.connect(role), "SELECT * FROM orders.order_items") == "00000"


@pytest.mark.parametrize("role", ["readonly", "ops"])
def test_only_the_app_places_orders(db: Database, role: str) -> None:
    """Readers and operators do not order."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        place(db.connect(role), 7, "one")


def test_public_may_execute_nothing(db: Database) -> None:
    """Every function of the service was taken from PUBLIC."""
    open_functions = rows(
        db.connect(None),
        "SELECT p.oid::regprocedure::text AS name FROM pg_proc AS p"
        " WHERE p.pronamespace = 'orders'::regnamespace"
        " AND has_function_privilege('public', p.oid, 'EXECUTE')",
    )

    assert open_functions == []


def test_every_definer_function_pins_its_search_path(db: Database) -> None:
    """A function with its owner's rights looks nowhere that its caller chose."""
    loose = rows(
        db.connect(None),
        "SELECT p.oid::regprocedure::text AS name FROM pg_proc AS p"
        " WHERE p.pronamespace = 'orders'::regnamespace AND p.prosecdef"
        " AND NOT coalesce(p.proconfig @> ARRAY['search_path=orders, pg_temp'], FALSE)",
    )

    assert loose == []
