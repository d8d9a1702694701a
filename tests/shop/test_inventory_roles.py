"""What each role may do with the inventory service, and what its errors are called."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from inventory_stock import Database, Stock, one, open_stock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from inventory_stock import Connection


ROOT = Path(__file__).parents[2]
APP_FUNCTIONS = {
    "adjust_stock",
    "cleanup_expired_reservations",
    "confirm_reservation",
    "low_stock",
    "receive_stock",
    "refresh_alerts",
    "release_reservation",
    "reserve_inventory",
    "rules",
    "supplier_performance",
}
EDITED = {"inventory_categories", "inventory_suppliers", "inventory_products"}
READ = EDITED | {
    "inventory",
    "inventory_receipts",
    "inventory_alerts",
    "inventory_stock",
    "inventory_analytics",
    "inventory_reservation_transitions",
    "inventory_alert_transitions",
}
BOOKS = {"inventory_adjustments", "inventory_movements", "inventory_reservation_items"}
OPS_FUNCTIONS = {
    "cleanup_expired_reservations",
    "low_stock",
    "rebalance_stock",
    "reconcile_inventory",
    "refresh_alerts",
    "rules",
    "set_stock_buckets",
    "supplier_performance",
}


@pytest.fixture
def stock(pg_service: Callable[[str], Database]) -> Iterator[Stock]:
    with open_stock(pg_service("inventory")) as stock:
        yield stock


@pytest.mark.parametrize(("role", "functions"), [("app", APP_FUNCTIONS), ("ops", OPS_FUNCTIONS)])
def test_a_role_may_call_what_is_meant_for_it_and_nothing_else(stock: Stock, role: str, functions: set[str]) -> None:
    """Asked as the role that has logged in."""
    allowed = stock.db.connect(role).execute(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'inventory'::regnamespace AND has_function_privilege(oid, 'EXECUTE')"
    )
    assert {name for (name,) in allowed} == functions


@pytest.mark.parametrize("role", ["app", "readonly", "ops"])
def test_a_role_may_touch_the_tables_that_are_meant_for_it_and_nothing_else(stock: Stock, role: str) -> None:
    """Whole tables; of reservations a reader sees every column but the user's."""
    allowed = stock.db.connect(role).execute(
        "SELECT c.relname, p.privilege FROM pg_class AS c"
        " CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS p (privilege)"
        " WHERE c.relnamespace = 'inventory'::regnamespace AND c.relkind IN ('r', 'v') AND c.relname LIKE 'inventory%%'"
        " AND has_table_privilege(c.oid, p.privilege)",
        [],
    )
    edited = {(table, privilege) for table in EDITED for privilege in ("INSERT", "UPDATE")}
    assert set(allowed.fetchall()) == {(table, "SELECT") for table in READ | (set() if role == "app" else BOOKS)} | (
        edited if role == "app" else set()
    )


# Of each type, what no caller means.
ODD: dict[str, list[object]] = {
    "bigint": [None, -(2**63), 0, 2**63 - 1],
    "integer": [None, -(2**31), 0, 2**31 - 1],
    "jsonb": [None, "{}", '[{"product_id": null, "quantity": 1}]'],
    "text": [None, "", "magic"],
    "timestamp with time zone": [None, "-infinity", "infinity"],
    "uuid": [None],
}
RECEIPT: dict[str, object] = {
    "p_quantity": 5,
    "p_defective_quantity": 2,
    "p_ordered_quantity": 6,
    "p_ordered_at": "2026-01-01",
    "p_expected_at": "2026-01-02",
}
GOOD: dict[str, dict[str, object]] = {
    "adjust_stock": {"p_product_id": 1, "p_adjustment_id": uuid.uuid4(), "p_quantity": 1, "p_reason": "found"},
    "cleanup_expired_reservations": {"p_batch": 1},
    "confirm_reservation": {"p_order_id": uuid.uuid4()},
    "rebalance_stock": {"p_batch": 1},
    "receive_stock": {"p_product_id": 1, "p_receipt_id": uuid.uuid4(), "p_supplier_id": None} | RECEIPT,
    "release_reservation": {"p_order_id": uuid.uuid4()},
    "reserve_inventory": {"p_order_id": uuid.uuid4(), "p_user_id": 1, "p_items": '[{"product_id": 1, "quantity": 1}]'},
    "set_stock_buckets": {"p_product_id": 1, "p_buckets": 2},
    "supplier_performance": {"p_since": "2026-01-01"},
}
PARAMETERS = """
SELECT p.proname, a.name, a.type::regtype::text
FROM pg_proc AS p, unnest(p.proargnames[1:p.pronargs], p.proargtypes::oid[]) AS a (name, type)
WHERE p.pronamespace = 'inventory'::regnamespace AND has_function_privilege(p.oid, 'EXECUTE')
"""


def call(client: Connection, function: str, arguments: dict[str, object]) -> list[tuple[object, ...]]:
    """Call a function with arguments by name."""
    named = ", ".join(f"{name} => %s" for name in arguments)
    return client.execute(f"SELECT * FROM inventory.{function}({named})".encode(), list(arguments.values())).fetchall()


@pytest.mark.parametrize("role", ["app", "ops"])
def test_no_argument_gets_an_error_that_shows_a_row(stock: Stock, role: str) -> None:
    """Each argument of each function in turn is NULL, or as far out as its type goes: an answer, or an error of ours."""
    stock.add(1, 10)
    client = stock.db.connect(role)
    parameters = client.execute(PARAMETERS.encode()).fetchall()
    raw = []
    for function, name, kind in parameters:
        for odd in ODD[kind]:
            try:
                with client.transaction(force_rollback=True):
                    call(client, function, GOOD[function] | {name: odd})
            except psycopg.Error as error:
                if not (error.sqlstate or "").startswith("SH"):
                    raw.append((function, name, odd, error.sqlstate))
    assert parameters
    assert raw == []


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        ("adjust_stock", {"p_adjustment_id": None}),
        ("adjust_stock", {"p_quantity": 0}),
        ("adjust_stock", {"p_quantity": -1_000_000_000}),
        ("adjust_stock", {"p_reason": "magic"}),
        ("adjust_stock", {"p_reason": None}),
        ("receive_stock", {"p_receipt_id": None}),
        ("receive_stock", {"p_quantity": -1}),
        ("receive_stock", {"p_defective_quantity": 999_999_995}),
        ("receive_stock", {"p_defective_quantity": -1}),
        ("receive_stock", {"p_ordered_quantity": 0}),
        ("receive_stock", {"p_ordered_at": "infinity"}),
        ("receive_stock", {"p_expected_at": "-infinity"}),
        ("cleanup_expired_reservations", {"p_batch": 1001}),
        ("rebalance_stock", {"p_batch": 1001}),
    ],
)
def test_an_argument_that_no_caller_means_is_named(stock: Stock, function: str, wrong: dict[str, object]) -> None:
    """And its value is not."""
    stock.add(1, 10)
    client = stock.db.connect("app" if function in APP_FUNCTIONS else "ops")
    with pytest.raises(psycopg.Error) as refusal:
        call(client, function, GOOD[function] | wrong)
    assert refusal.value.sqlstate == "SH481"
    named = re.findall(r"(p_\w+):", refusal.value.diag.message_detail or "")
    assert named == list(wrong)


@pytest.mark.parametrize("name", [*RECEIPT, "p_supplier_id", "p_product_id"])
@pytest.mark.parametrize("is_left_out", [False, True])
def test_a_receipt_again_says_the_same_in_every_argument(stock: Stock, name: str, *, is_left_out: bool) -> None:
    """What differs in one of them is another delivery."""
    for product in (1, 3):
        stock.add(product, 10)
    supplier = one(
        stock.owner.execute("INSERT INTO inventory.inventory_suppliers (code, name, promised_lead_days) VALUES ('s', 'S', 1) RETURNING id")
    )[0]
    said: dict[str, object] = {"p_product_id": 1, "p_receipt_id": uuid.uuid4(), "p_supplier_id": supplier} | RECEIPT
    other: dict[str, object] = dict.fromkeys(said, 3) | {"p_supplier_id": supplier + 1}
    again = said | {name: None if is_left_out else "2026-02-02" if name.endswith("_at") else other[name]}
    app = stock.db.connect("app")
    assert [call(app, "receive_stock", said)[0][0] for _ in range(2)] == [False, True]
    with pytest.raises(psycopg.Error) as refusal:
        call(app, "receive_stock", again)
    required = {"p_quantity": "SH481", "p_defective_quantity": "SH481", "p_product_id": "SH208"}
    assert refusal.value.sqlstate == (required.get(name, "SH213") if is_left_out else "SH213")


def test_no_function_is_everybodys(stock: Stock) -> None:
    """A new function belongs to PUBLIC until that is revoked."""
    public = stock.owner.execute(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'inventory'::regnamespace"
        " AND (proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0))"
    )
    assert public.fetchall() == []


def test_every_error_code_is_raised_documented_and_tested() -> None:
    """The table of docs/shop/inventory.md is complete."""
    raised = codes("ERRCODE = '(SH2..)'", (ROOT / "schemas/inventory").rglob("*.j2"))
    documented = codes(r"^\| (SH2..) \|", [ROOT / "docs/shop/inventory.md"])
    tested = codes(r"^-- raises: (SH2..)$", (ROOT / "tests/shop/inventory").glob("*.sql"))
    assert raised == documented == tested


def codes(pattern: str, files: Iterable[Path]) -> set[str]:
    """Collect what a pattern finds in files."""
    found = (re.findall(pattern, file.read_text("utf-8"), re.MULTILINE) for file in files)
    return {code for match in found for code in match}
