"""What each role may do with orders and the outbox, asked as that role: it logs in."""

from __future__ import annotations

from typing import LiteralString

import psycopg
import pytest
from order_calls import Database, outcome_of, place, rows

pytest_plugins = ["order_fixtures"]


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


LOOK = {"rules", "outbox_rules", "outbox_health"}
SWEEP = {"cleanup_expired_orders", "cleanup_idempotency_keys", "blocked_partition_keys"}
ORDER = {
    "add_order_note",
    "cancel_order",
    "claim_idempotency_key",
    "complete_idempotency_key",
    "confirm_order",
    "create_order",
    "find_order",
    "get_order",
    "order_limit_violations",
    "record_parcel",
    "release_idempotency_key",
    "transition_order",
    "validate_order_business_rules",
}
WORK = {"claim_outbox_events", "complete_outbox_events", "extend_outbox_lease", "fail_outbox_event", "read_outbox_log"}
OPERATE = {
    "register_outbox_consumer",
    "requeue_dead_letters",
    "skip_blocked_event",
    "unregister_outbox_consumer",
}


@pytest.mark.parametrize(
    ("role", "functions"),
    [("app", LOOK | SWEEP | ORDER | WORK), ("readonly", LOOK), ("ops", LOOK | SWEEP | OPERATE)],
)
def test_a_role_executes_these_functions_and_no_others(db: Database, role: str, functions: set[str]) -> None:
    """What a role may call of the service is this list."""
    allowed = rows(
        db.connect(role),
        "SELECT DISTINCT p.proname FROM pg_proc AS p"
        " WHERE p.pronamespace = 'orders'::regnamespace AND has_function_privilege(p.oid, 'EXECUTE')",
    )

    assert {r["proname"] for r in allowed} == functions


@pytest.mark.parametrize(
    ("role", "tables", "cleaned"),
    [
        ("app", set(), {}),
        ("readonly", set(), {}),
        (
            "ops",
            {"outbox_events", "outbox_consumers", "outbox_deliveries", "outbox_dead_letters"},
            {"idempotency_keys": ["DELETE", "created_at"]},
        ),
    ],
)
def test_a_role_reads_these_tables_and_writes_none(db: Database, role: str, tables: set[str], cleaned: dict[str, list[str]]) -> None:
    """Whole tables are read where nothing in them is personal; no role writes past the functions, but ops may clean up."""
    privileges = rows(
        db.connect(role),
        "SELECT c.relname, has_table_privilege(c.oid, 'SELECT') AS reads, ARRAY("
        " SELECT w FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES']) AS w"
        " WHERE has_table_privilege(c.oid, w)) || ARRAY("
        " SELECT a.attname::text FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " AND has_column_privilege(c.oid, a.attnum, 'INSERT, UPDATE, REFERENCES')) AS writes"
        " FROM pg_class AS c WHERE c.relnamespace = 'orders'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition",
    )

    known = {"currencies", "order_transitions", "order_items", "order_status_history"}
    assert {p["relname"] for p in privileges if p["reads"]} == known | tables
    assert {p["relname"]: p["writes"] for p in privileges if p["writes"]} == cleaned


def test_the_app_does_a_whole_order(db: Database) -> None:
    """Placing, paying, packing, sending and telling of it needs no role but the app's."""
    app, ops = db.connect(), db.connect("ops")
    ops.execute("SELECT orders.register_outbox_consumer('t')")
    order = place(app, 7, "one")["order_id"]
    app.execute("SELECT orders.confirm_order(7, %s)", [order])
    for state in ("processing", "shipped", "delivered"):
        app.execute("SELECT orders.transition_order(7, %s, %s, 'done', 'staff')", [order, state])
        for event in rows(app, "SELECT * FROM orders.claim_outbox_events('t', 'w')"):
            app.execute(
                "SELECT orders.complete_outbox_events('t', %s, %s)",
                [event["lease_token"], [event["event_id"]]],
            )

    assert [r["state"] for r in rows(app, "SELECT state FROM orders.orders")] == ["delivered"]


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
