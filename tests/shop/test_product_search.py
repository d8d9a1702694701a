"""Every page of a search together is the whole result, whatever is searched for and however few products are looked at."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    import psycopg

    from dbkit.testing.plugin import Cluster

    Connection = psycopg.Connection[tuple[Any, ...]]

WORDS = ("brass", "oak", "lamp", "shelf", "mirror", "teapot")  # none is a stop word, none has a stem of its own
TAGS = ("new", "sale", "gift")
COLORS = ("red", "green")
# category: parent
TREE = {1: None, 2: 1, 3: 1, 4: 2, 5: None, 6: 5}
PRODUCTS = 240
SORTS = ("relevance", "price_ascending", "price_descending", "rating", "newest")


@dataclass(frozen=True)
class Product:
    """A product on sale, as Python sees it."""

    id: int
    words: list[str]
    category_path: list[int]
    tags: list[str]
    metadata: dict[str, Any]
    currency: str
    price: int
    stock: int
    created_at: datetime
    rating: int
    review_count: int


@pytest.fixture(scope="module")
def shop(dbkit_cluster: Cluster) -> Iterator[Connection]:
    """Products with few values a column, so that ties are everywhere, and windows that are small beside them."""
    made = dbkit_cluster.copy("product")
    owner = made.connect("owner")
    owner.execute(
        """
        CREATE OR REPLACE FUNCTION product.rules(
            OUT maximum_page_size integer, OUT maximum_query_length integer, OUT maximum_count integer,
            OUT search_window integer, OUT minimum_candidates integer, OUT low_stock_threshold integer,
            OUT newest_reviews integer
        )
        RETURNS record LANGUAGE sql IMMUTABLE AS 'SELECT 10, 200, 30, 25, 5, 10, 5'
        """
    )
    with owner.transaction():
        fill(owner, random.Random(4))  # noqa: S311 - the same products in every run
    owner.execute("ANALYZE")
    yield made.connect("owner")
    dbkit_cluster.drop(made)


def fill(owner: Connection, chance: random.Random) -> None:
    for category, parent in TREE.items():
        owner.execute(
            "INSERT INTO product.categories (id, parent_id, path, slug, name) OVERRIDING SYSTEM VALUE VALUES (%s, %s, '{}', %s, %s)",
            [category, parent, f"c-{category}", f"C {category}"],
        )
    for number in range(PRODUCTS):
        add(owner, chance, f"P-{number:04}")
    owner.execute("UPDATE product.product_reviews SET state = 'approved'")


def add(owner: Connection, chance: random.Random, sku: str) -> None:
    """Insert a product with an offer, and with reviews, most often none."""
    words = [*chance.choices(WORDS, weights=(30, 10, 10, 5, 2, 1), k=3), *chance.choices(WORDS, k=chance.randrange(3))]
    added = owner.execute(
        """
        INSERT INTO product.products (category_id, sku, name, tags, metadata, created_at)
        VALUES (%s, %s, %s, %s, %s, %s)
        RETURNING id
        """,
        [
            chance.choice(list(TREE)),
            sku,
            " ".join(words),
            chance.sample(TAGS, chance.randrange(len(TAGS))),
            Jsonb({"color": chance.choice(COLORS), "size": chance.randrange(40)}),
            f"2026-01-01 00:00:00.00000{chance.randrange(6)}+00",
        ],
    ).fetchone()
    assert added
    owner.execute(
        "SELECT product.set_offer(%s, %s, %s, %s, %s)",
        [added[0], chance.choice(("USD", "USD", "EUR")), 100 * chance.randrange(7), chance.randrange(3), chance.random() < 0.9],
    )
    for user in range(max(0, chance.randrange(8) - 3)):
        owner.execute("SELECT product.submit_review(%s, %s, %s::smallint, 'Title', '')", [user, added[0], 1 + chance.randrange(5)])


def products(connection: Connection) -> list[Product]:
    """Read what is on sale, from the tables that the search does not read."""
    rows = connection.execute(
        """
        SELECT
            p.id, regexp_split_to_array(lower(concat_ws(' ', p.name, array_to_string(p.tags, ' '))), ' '), c.path, p.tags,
            p.metadata, o.currency, o.price, o.stock, p.created_at,
            coalesce(100 * sum(v.rating) / nullif(count(v.id), 0), 0)::integer, count(v.id)
        FROM product.products AS p
        INNER JOIN product.categories AS c ON p.category_id = c.id
        INNER JOIN product.product_offers AS o ON p.id = o.product_id AND o.is_active
        LEFT JOIN product.product_reviews AS v ON p.id = v.product_id AND v.state = 'approved'
        GROUP BY p.id, c.path, o.product_id
        """
    ).fetchall()
    return [Product(*row) for row in rows]


# a query of the web's syntax, and what it means
Query = tuple[str, Callable[[list[str]], bool]]


def one(word: str) -> Query:
    return word, lambda words: word in words


def both(first: str, second: str) -> Query:
    return f"{first} {second}", lambda words: first in words and second in words


def either(first: str, second: str) -> Query:
    return f"{first} OR {second}", lambda words: first in words or second in words


def without(first: str, second: str) -> Query:
    return f"{first} -{second}", lambda words: first in words and second not in words


def phrase(first: str, second: str) -> Query:
    return f'"{first} {second}"', lambda words: (first, second) in pairwise(words)


word = st.sampled_from(WORDS)
queries = st.one_of(st.builds(one, word), *(st.builds(made, word, word) for made in (both, either, without, phrase)))


def rarely(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Narrow by this in one search of five: all at once leave nothing to page through."""
    return st.integers(0, 4).flatmap(lambda number: st.none() if number else values)


prices = rarely(st.sampled_from([0, 100, 250, 400, 600]))
searches = st.fixed_dictionaries(
    {
        "query": st.none() | queries,
        "category_id": rarely(st.sampled_from([*TREE, 99])),
        "currency": rarely(st.sampled_from(["USD", "EUR", "JPY"])),
        "minimum_price": prices,
        "maximum_price": prices,
        "tags_all": rarely(st.lists(st.sampled_from(TAGS), max_size=2)),
        "tags_any": rarely(st.lists(st.sampled_from(TAGS), max_size=2)),
        "metadata": rarely(st.sampled_from([{}, {"color": "red"}, {"size": 7}, {"color": "green", "size": 3}])),
        "is_in_stock": rarely(st.just(True)),
        "sort": st.sampled_from(SORTS),
        "limit": st.sampled_from([3, 10]),
    }
)


def matches(found: Product, search: dict[str, Any]) -> bool:
    """Say whether the product is what is searched for."""
    low, high = search["minimum_price"], search["maximum_price"]
    return (
        (search["query"] is None or search["query"][1](found.words))
        and (search["category_id"] is None or search["category_id"] in found.category_path)
        and (search["currency"] is None or search["currency"] == found.currency)
        and (low is None or found.price >= low)
        and (high is None or found.price <= high)
        and (search["tags_all"] is None or set(search["tags_all"]) <= set(found.tags))
        and (search["tags_any"] is None or bool(set(search["tags_any"]) & set(found.tags)))
        and (search["metadata"] is None or search["metadata"].items() <= found.metadata.items())
        and (not search["is_in_stock"] or found.stock > 0)
    )


def possible(search: dict[str, Any]) -> dict[str, Any]:
    """Turn what would be refused into what is not: relevance without words, prices without a currency."""
    changed = dict(search)
    if search["query"] is None and search["sort"] == "relevance":
        changed["sort"] = "newest"
    prices = (search["minimum_price"], search["maximum_price"]) != (None, None) or search["sort"].startswith("price")
    if prices and search["currency"] is None:
        changed["currency"] = "USD"
    return changed


def pages(connection: Connection, search: dict[str, Any], between: Callable[[], None]) -> Iterator[dict[str, Any]]:
    """Yield page after page, with something happening between them."""
    arguments = {
        **search,
        "query": search["query"] and search["query"][0],
        "metadata": None if search["metadata"] is None else Jsonb(search["metadata"]),
    }
    names = ", ".join(f"p_{name} => %({name})s" for name in arguments)
    cursor: str | None = None
    while True:
        row = connection.execute(
            f"SELECT product.search_products({names}, p_cursor => %(cursor)s)", {**arguments, "cursor": cursor}
        ).fetchone()
        assert row
        yield row[0]
        cursor = row[0]["next_cursor"]
        if cursor is None:
            return
        between()


KEYS: dict[str, Callable[[Product], tuple[Any, int]]] = {
    "price_ascending": lambda found: (found.price, found.id),
    "price_descending": lambda found: (-found.price, -found.id),
    "rating": lambda found: (-found.rating, -found.id),
    "newest": lambda found: (-found.created_at.timestamp(), -found.id),
}


NOTHING = dict.fromkeys(("category_id", "currency", "minimum_price", "maximum_price", "tags_all", "tags_any", "metadata"))


@settings(max_examples=60)
@given(search=searches.map(possible), writes=st.booleans(), seed=st.integers(0, 99))
def test_pages_together_are_the_whole_result_in_order(shop: Connection, search: dict[str, Any], writes: bool, seed: int) -> None:
    """No match is missing, none comes twice, also while other products come into the shop between two pages."""
    assert_whole(shop, search, writes=writes, seed=seed)


@pytest.mark.parametrize("sort", SORTS)
def test_frequent_and_rare_words_are_found_by_every_sort(shop: Connection, sort: str) -> None:
    """Where a window ends is a place like any other, with and without categories that end at places of their own."""
    for word, category in product((*WORDS, None), (None, 1, 2)):
        search = NOTHING | {"query": word and one(word), "category_id": category, "is_in_stock": False, "sort": sort, "limit": 10}
        assert_whole(shop, possible(search), writes=False, seed=0)


def test_facets_are_counted_over_all_matches_or_enough_of_them(shop: Connection) -> None:
    """Of few matches exactly, of many at least as many as the rule says."""
    exact = 0
    for word, category, sort in product((*WORDS, None), (None, 1, 2, 99), ("relevance", "newest")):
        search = possible(NOTHING | {"query": word and one(word), "category_id": category, "is_in_stock": False, "sort": sort, "limit": 1})
        wanted = [found for found in products(shop) if matches(found, search)]
        facets = next(pages(shop, {**search, "with_facets": True}, lambda: None))["facets"]
        counted = {facet: {row["value"]: row["products"] for row in rows} for facet, rows in facets.items()}
        total = sum(counted.get("is_in_stock", {}).values())

        assert min(len(wanted), 5) <= total <= len(wanted)
        if total == len(wanted):
            exact += 1
            assert counted.get("tags", {}) == Counter(tag for found in wanted for tag in found.tags)
            assert counted.get("categories", {}) == Counter(str(found.category_path[-1]) for found in wanted)
    assert 0 < exact < 56


@pytest.mark.parametrize("sort", ["relevance", "newest"])
def test_facets_are_the_same_on_every_page(shop: Connection, sort: str) -> None:
    """Also past the matches that are ranked, whose page is not gathered together with what is counted."""
    for word in WORDS:
        search = possible(NOTHING | {"query": one(word), "is_in_stock": False, "sort": sort, "limit": 10})
        first, *others = [page["facets"] for page in pages(shop, {**search, "with_facets": True}, lambda: None)]
        assert all(facets == first for facets in others)


def assert_whole(shop: Connection, search: dict[str, Any], *, writes: bool, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same products in every run
    skus = iter(range(10_000))
    before = [found for found in products(shop) if matches(found, search)]
    with shop.transaction(force_rollback=True):
        seen = list(pages(shop, search, lambda: add(shop, chance, f"NEW-{next(skus)}") if writes else None))
    first = seen[0]["count"]
    ids = [item["id"] for page in seen for item in page["items"]]
    known = {found.id: found for found in before}
    there = [known[number] for number in ids if number in known]

    assert len(ids) == len(set(ids))
    assert len(there) == len(before)
    assert writes or len(ids) == len(before)
    assert first == {"matches": min(len(before), 30), "is_capped": len(before) > 30}
    if search["sort"] == "relevance":
        assert_ranked(shop, there, search["query"][0])
    else:
        assert there == sorted(before, key=KEYS[search["sort"]])


def assert_ranked(shop: Connection, there: list[Product], query: str) -> None:
    """By rank down to some place, where enough are above it, and by the number of reviews from there on."""
    ranks: dict[int, int] = dict(
        shop.execute(
            "SELECT p.id, (ts_rank_cd(p.search_vector, websearch_to_tsquery('english', %s)) * 1000000)::bigint FROM product.products AS p",
            [query],
        ).fetchall()
    )

    def ranked(found: Product) -> tuple[int, int]:
        return (-ranks[found.id], -found.id)

    def popular(found: Product) -> tuple[int, int]:
        return (-found.review_count, -found.id)

    for end in [len(there), *range(5, len(there))]:
        above, below = there[:end], there[end:]
        parted = not below or max(map(popular, above)) < min(map(popular, below))
        if parted and above == sorted(above, key=ranked) and below == sorted(below, key=popular):
            return
    pytest.fail(f"neither by rank nor by reviews: {[(ranks[found.id], found.review_count, found.id) for found in there]}")
