"""What each role may do with the catalogue, asked as that role: it logs in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    import psycopg


class Database(Protocol):
    """What the fixture gives."""

    def connect(self, role: str | None = "app") -> psycopg.Connection[Any]:
        """Log in; None is the superuser."""


Factory = Callable[[str], Database]

LOOK = {"get_product_details", "list_low_stock", "rules", "subtree_category_ids"}
# with the caller's rights, hence its parts too
SEARCH = {
    "check_search",
    "count_matches",
    "decode_cursor",
    "encode_cursor",
    "search_by_relevance",
    "search_facets",
    "search_items",
    "search_matches",
    "search_order",
    "search_page",
    "search_products",
    "search_ranked",
    "search_sorted",
    "search_window_end",
    "suggest_query",
    "suggest_word",
    "word_deletions",
}
# the generated column of products calls it, as whoever writes
EDIT = {"search_vector_of"}
WRITE = {"approve_review", "reject_review", "set_offer", "submit_review"}
EDITED = {"categories", "products", "product_images"}
READ = EDITED | {
    "currencies",
    "product_listings",
    "product_offers",
    "product_review_transitions",
    "product_search_words",
}


@pytest.mark.parametrize(
    ("role", "functions"),
    [("app", LOOK | SEARCH | EDIT | WRITE), ("readonly", LOOK | SEARCH), ("ops", LOOK | {"refresh_search_words"})],
)
def test_a_role_executes_these_functions_and_no_others(pg_service: Factory, role: str, functions: set[str]) -> None:
    """What a role may call of the service is this list."""
    allowed = (
        pg_service("product")
        .connect(role)
        .execute("SELECT proname FROM pg_proc WHERE pronamespace = 'product'::regnamespace AND has_function_privilege(oid, 'EXECUTE')")
    )
    assert {name for (name,) in allowed} == functions


@pytest.mark.parametrize("role", ["app", "readonly", "ops"])
def test_a_role_touches_these_tables_and_no_others(pg_service: Factory, role: str) -> None:
    """The catalogue is everybody's to read and the app's to edit; of reviews nobody reads a column, past the functions nobody writes."""
    allowed = (
        pg_service("product")
        .connect(role)
        .execute(
            """
            SELECT c.relname, p.privilege
            FROM pg_class AS c
            CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p (privilege)
            WHERE c.relnamespace = 'product'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relname !~ '^_?yoyo'
                AND CASE
                    WHEN p.privilege IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') THEN has_any_column_privilege(c.oid, p.privilege)
                    ELSE has_table_privilege(c.oid, p.privilege)
                END
            """
        )
    )
    edited = {(table, privilege) for table in EDITED for privilege in ("INSERT", "UPDATE", "DELETE")}
    assert set(allowed.fetchall()) == {(table, "SELECT") for table in READ} | (edited if role == "app" else set())


def test_every_table_is_known_here(pg_service: Factory) -> None:
    """One that is new is read by somebody, or by nobody: that is written down."""
    tables = (
        pg_service("product")
        .connect(None)
        .execute("SELECT relname FROM pg_class WHERE relnamespace = 'product'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')")
    )
    assert {name for (name,) in tables if "yoyo" not in name} == READ | {"product_reviews"}


def test_no_function_is_everybodys(pg_service: Factory) -> None:
    """A new function belongs to PUBLIC until that is revoked."""
    public = (
        pg_service("product")
        .connect(None)
        .execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'product'::regnamespace AND has_function_privilege('public', oid, 'EXECUTE')"
        )
    )
    assert public.fetchall() == []


def test_every_definer_function_pins_its_search_path(pg_service: Factory) -> None:
    """A function with its owner's rights looks nowhere that its caller chose."""
    loose = (
        pg_service("product")
        .connect(None)
        .execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'product'::regnamespace AND prosecdef"
            " AND NOT coalesce(proconfig @> ARRAY['search_path=product, pg_temp'], FALSE)"
        )
    )
    assert loose.fetchall() == []
