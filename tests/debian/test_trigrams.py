"""What a search suggests where the server has pg_trgm."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbkit.testing.plugin import ServiceDatabase

SUGGESTED = "SELECT product.search_products(p_query => %s, p_currency => 'USD') ->> 'did_you_mean'"


def test_two_errors_in_a_word_are_within_the_reach_of_trigrams(pg_service: Callable[[str], ServiceDatabase]) -> None:
    database = pg_service("product")
    with database.connect("owner") as owner:
        owner.execute("INSERT INTO product.categories (path, slug, name) VALUES ('{}', 'audio', 'Audio')")
        for sku, name in (("HP-1", "Wireless headphones"), ("HP-2", "Headphone stand")):
            owner.execute("INSERT INTO product.products (category_id, sku, name) VALUES (1, %s, %s)", [sku, name])
        owner.execute("SELECT product.set_offer(id, 'USD', 100, 1, TRUE), product.refresh_search_words() FROM product.products")
    with database.connect(None) as superuser:
        superuser.execute("CREATE SCHEMA ext; GRANT USAGE ON SCHEMA ext TO PUBLIC; CREATE EXTENSION pg_trgm SCHEMA ext")
    app = database.connect()

    assert app.execute(SUGGESTED, ["wierlesss"]).fetchone() == ("wireless",)
    assert app.execute(SUGGESTED, ["wirelss haedphones"]).fetchone() == ("wireless headphones",)
    assert app.execute(SUGGESTED, ["wirelss"]).fetchone() == ("wireless",)
    assert app.execute(SUGGESTED, ["xyzzyx"]).fetchone() == (None,)
