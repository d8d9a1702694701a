"""Who may do what in the payment service, which moves its states can make, and which errors it has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from payment_shop import DISPUTE, EVENT, REFUND, USER, Shop, sound_shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from payment_shop import Connection, Database

ROOT = Path(__file__).parents[2]
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
# they are of a whole database: each shard runs its own
SWEEPS = {
    "cleanup_expired_payments",
    "process_provider_events",
    "refresh_payment_analytics",
    "settle_payments",
    "snapshot_ledger_balances",
    "verify_ledger",
}
READABLE = {
    "app": {
        "payment_dispute_evidence",
        "payment_disputes",
        "payment_transactions",
        "payments",
        "refunds",
    },
    "ops": {"ledger_account_balances", "ledger_balance_snapshots", "ledger_entries", "ledger_transfers"},
    "readonly": {"ledger_account_balances", "ledger_balance_snapshots", "ledger_entries", "ledger_transfers"},
}
READABLE_BY_ALL = {
    "currencies",
    "payment_analytics",
    "payment_dispute_transitions",
    "payment_failure_categories",
    "payment_request_transitions",
    "payment_settlements",
    "payment_transitions",
    "provider_event_transitions",
    "refund_transitions",
}
MACHINES = {
    "payments": "payment_transitions",
    "payment_requests": "payment_request_transitions",
    "refunds": "refund_transitions",
    "payment_disputes": "payment_dispute_transitions",
    "provider_events": "provider_event_transitions",
}


@pytest.fixture
def shop(pg_service: Callable[[str], Database]) -> Iterator[Shop]:
    yield from sound_shop(pg_service)


@pytest.mark.parametrize(("role", "granted"), [("app", APP_FUNCTIONS), ("ops", OPS_FUNCTIONS), ("readonly", set())])
def test_a_role_may_call_and_read_what_is_granted_to_it_and_nothing_else(
    pg_service: Callable[[str], Database], role: str, granted: set[str]
) -> None:
    """Logged in as the role: every function is called, every table read, written and truncated, and the server decides."""
    connection = pg_service("payment").connect(role)
    called = connection.execute(
        "SELECT p.oid::regproc::text, p.proname, p.pronargs - p.pronargdefaults, p.proargtypes::regtype[]::text[], p.prokind"
        " FROM pg_proc AS p WHERE p.pronamespace = 'payment'::regnamespace AND p.prorettype <> 'trigger'::regtype"
    ).fetchall()
    allowed = set()
    for function, name, _, types, _ in called:
        values = ", ".join(f"NULL::{kind}" for kind in types)
        if not refused(connection, f"SELECT * FROM {function}({values})"):
            allowed.add(name)
    tables = connection.execute(
        "SELECT c.oid::regclass::text, c.relname, c.relkind::text FROM pg_class AS c"
        " WHERE c.relnamespace = 'payment'::regnamespace AND c.relkind IN ('r', 'v', 'm') AND c.relname !~ 'yoyo'"
    ).fetchall()
    readable = {name for table, name, _ in tables if not refused(connection, f"SELECT * FROM {table} LIMIT 1")}
    writable = [
        table
        for table, _, kind in tables
        if kind == "r"
        for statement in (f"DELETE FROM {table}", f"INSERT INTO {table} DEFAULT VALUES", f"TRUNCATE {table} CASCADE")
        if not refused(connection, statement)
    ]

    assert allowed == granted
    assert readable == READABLE[role] | READABLE_BY_ALL
    assert writable == []


def refused(connection: Connection, statement: str) -> bool:
    """Tell whether the role lacks the right; what else is wrong with the statement does not matter."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege:
        return True
    except psycopg.Error:
        return False
    return False


def test_the_app_sees_what_users_pay_with_but_no_token(shop: Shop) -> None:
    """All columns of a method but one, and no request, whose body may be another user's."""
    shop.method()
    assert shop.ask("SELECT kind, brand, last_four, removed_at FROM payment.payment_methods")["kind"] == "card"
    for statement in ("SELECT token FROM payment.payment_methods", "SELECT body FROM payment.payment_requests"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            shop.app.execute(statement.encode())


def test_the_routing_key_is_the_first_of_every_call(pg_service: Callable[[str], Database]) -> None:
    """Whatever the app calls about a user begins with the user; the rest are sweeps of one database, and pure."""
    rows = (
        pg_service("payment")
        .connect("app")
        .execute(
            "SELECT p.proname, p.proargnames[1], p.provolatile::text FROM pg_proc AS p"
            " WHERE p.pronamespace = 'payment'::regnamespace AND has_function_privilege(p.oid, 'EXECUTE')"
        )
    )
    others = {name for name, first, volatility in rows if first != "p_user_id" and volatility != "i"}
    assert others == SWEEPS


def test_a_state_machine_makes_every_legal_move_and_no_other(shop: Shop) -> None:
    """All pairs of states of all five machines, tried on the tables themselves, and all that a row may begin as."""
    payment = shop.captured(1000)
    shop.ask(REFUND, USER, "re", payment, 100)
    shop.ask(DISPUTE, USER, payment, "dp", 100)
    shop.ask(EVENT, None, "evt", "refund.succeeded", "nobody", None)
    root = shop.db.connect(None)
    for table, moves in MACHINES.items():
        legal = {(start, to) for start, to in root.execute(f"SELECT from_state, to_state FROM payment.{moves}".encode())}
        states = sorted({to for _, to in legal})
        with root.transaction(force_rollback=True):
            leave_the_state_alone(root, table)
            made = {(start, to) for start in ["new", *states] for to in states if move(root, table, start, to)}
        assert made == legal | {(state, state) for state in states}


def leave_the_state_alone(root: Connection, table: str) -> None:
    """Take every rule from a table but its state machine's."""
    rules = "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype <> 'n'"
    for (rule,) in root.execute(rules, [f"payment.{table}"]).fetchall():
        root.execute(f"ALTER TABLE payment.{table} DROP CONSTRAINT {rule} CASCADE".encode())
    root.execute(f"ALTER TABLE payment.{table} DISABLE TRIGGER USER".encode())
    root.execute(f"ALTER TABLE payment.{table} ENABLE TRIGGER state_{table}".encode())
    columns = "SELECT string_agg(attname, ', ') FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND attgenerated = ''"
    row = root.execute(columns, [f"payment.{table}"]).fetchone()
    assert row is not None
    root.execute(f"CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT {row[0]} FROM payment.{table} LIMIT 1".encode())
    root.execute(f"CREATE TEMP VIEW begun AS SELECT {row[0]} FROM payment.{table}".encode())


def move(root: Connection, table: str, start: str, to: str) -> bool:
    """Try a move; a refusal has both states in its detail."""
    try:
        with root.transaction(force_rollback=True):
            if start == "new":
                root.execute("UPDATE kept SET state = %s", [to])
                root.execute("INSERT INTO begun OVERRIDING SYSTEM VALUE SELECT * FROM kept")
            else:
                root.execute("SET LOCAL session_replication_role = replica")
                root.execute(f"UPDATE payment.{table} SET state = %s".encode(), [start])
                root.execute("SET LOCAL session_replication_role = origin")
                root.execute(f"UPDATE payment.{table} SET state = %s".encode(), [to])
    except psycopg.Error as exc:
        refusal = exc
    else:
        return True
    assert refusal.sqlstate == "SH105", refusal
    assert f"From {start} to {to}, id" in str(refusal.diag.message_detail)
    return False


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


def test_every_error_has_a_message_a_detail_a_hint_and_the_rules_name() -> None:
    """So that a caller can act on it, and map it."""
    parts = ("MESSAGE", "DETAIL", "HINT", "CONSTRAINT")
    for path in (ROOT / "schemas/payment").rglob("*.sql.j2"):
        for error in re.findall(r"RAISE EXCEPTION USING(.*?);\n", path.read_text(), re.DOTALL):
            assert [part for part in parts if f"{part} = " not in error] == [], path.name
