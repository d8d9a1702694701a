"""What each role may do with the inventory service, and what its errors are called."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from inventory_stock import Database, Stock, open_stock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


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
