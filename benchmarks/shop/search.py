"""Search over 1,000,000 products: a page by kind of query and by depth, beside ts_rank over all matches, OFFSET and count(*)."""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.json import Jsonb

from shop import at_most, shop

if TYPE_CHECKING:
    from dbkit.testing.plugin import ServiceDatabase

    Connection = psycopg.Connection[tuple[Any, ...]]

CATALOGUE = Path(__file__).parent / "catalogue"
BOUND = 100  # milliseconds of the 95th percentile
# what people write, a filter each
NAIVE = {
    "query": "p.search_vector @@ websearch_to_tsquery('english', %(query)s)",
    "category_id": "p.category_id IN (SELECT c.id FROM product.categories AS c WHERE %(category_id)s = ANY(c.path))",
    "currency": "l.currency = %(currency)s",
    "minimum_price": "l.price >= %(minimum_price)s",
    "maximum_price": "l.price <= %(maximum_price)s",
    "tags_all": "p.tags @> %(tags_all)s",
    "tags_any": "p.tags && %(tags_any)s",
    "metadata": "p.metadata @> %(metadata)s",
    "is_in_stock": "l.is_in_stock",
}
ORDERS = {
    "relevance": "ts_rank(p.search_vector, websearch_to_tsquery('english', %(query)s)) DESC, p.id DESC",
    "newest": "p.created_at DESC, p.id DESC",
    "rating": "l.average_hundredths DESC, p.id DESC",
    "price_ascending": "l.price, p.id",
    "price_descending": "l.price DESC, p.id DESC",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=1_000_000)
    parser.add_argument("--searches", type=int, default=24, help="of each kind")
    parser.add_argument("--naive", type=int, default=3, help="of each kind, in the naive way")
    options = parser.parse_args()
    with shop() as bench, bench.service("product") as database:
        started = time.monotonic()
        load(database, options.products)
        print(f"{options.products:,} products, loaded and indexed in {time.monotonic() - started:.0f} s; the naive query beside each")
        print("has the same tables and indexes: ts_rank over every match, ORDER BY, OFFSET, and count(*) for the number of results\n")
        with psycopg.connect(database.dsn("app"), autocommit=True) as app:
            by_kind(app, options.searches, options.naive)
            by_depth(app)


def load(database: ServiceDatabase, products: int) -> None:
    """Fill the tables with triggers off and indexes dropped, two connections side by side, and make the indexes again."""

    def run(script: str, **values: Any) -> None:
        with psycopg.connect(
            database.dsn(None), autocommit=True, options="-c session_replication_role=replica -c work_mem=256MB"
        ) as connection:
            connection.execute("SELECT setseed(%(seed)s)", {"seed": values.get("first", 7) / 1e9})
            connection.execute(script.encode(), values or None)

    run((CATALOGUE / "words.sql").read_text())
    with psycopg.connect(database.dsn(None), autocommit=True) as connection:
        indexes = connection.execute("SELECT name, definition FROM bench.indexes").fetchall()
    for name, _ in indexes:
        run(f"DROP INDEX {name}")
    half = products // 2
    with ThreadPoolExecutor(2) as threads:
        script = (CATALOGUE / "products.sql").read_text()
        for done in [threads.submit(run, script, first=a, last=b) for a, b in ((1, half), (half + 1, products))]:
            done.result()
        run((CATALOGUE / "offers.sql").read_text())
        for done in [threads.submit(run, f"SET maintenance_work_mem = '1GB'; {definition}") for _, definition in indexes]:
            done.result()
    run("VACUUM (ANALYZE)")
    run("SELECT product.refresh_search_words()")
    run("VACUUM (ANALYZE) product.product_search_words")


def kinds(chance: random.Random, word: Callable[[int], str]) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return what to search for, by kind; every call gives another search of that kind."""

    def between(low: int, high: int) -> str:
        return word(chance.randrange(low, high))

    def sort(*, words: bool = False) -> dict[str, Any]:
        return {"sort": chance.choice([*(("relevance",) if words else ()), *list(ORDERS)[1:]]), "currency": "USD"}

    def price() -> dict[str, Any]:
        low = int(100 * 1.5 ** chance.uniform(3, 16))
        return {"minimum_price": low, "maximum_price": int(low * chance.choice([1.01, 1.2, 2]))}

    def tags(count: int, rarest: int = 300) -> list[str]:
        return [f"tag{chance.randrange(1, rarest)}" for _ in range(count)]

    def metadata() -> Jsonb:
        return Jsonb(
            chance.choice([{"color": "black"}, {"color": "walnut", "size": chance.randrange(12)}, {"batch": chance.randrange(9999)}])
        )

    def category() -> int:
        return chance.choice([chance.randrange(1, 11), chance.randrange(11, 111), chance.randrange(111, 611)])

    def mistyped() -> str:
        meant = between(2600, 20000)
        place = chance.randrange(1, len(meant) - 1)
        return meant[:place] + chance.choice("qwyz") + meant[place + 1 :]

    return {
        "rare word (0.01 to 0.1%)": lambda: {"query": between(5000, 29000)},
        "word of 0.3 to 1%": lambda: {"query": between(300, 1200)},
        "word of 1 to 5%": lambda: {"query": between(40, 250)},
        "word of 5 to 25%": lambda: {"query": between(0, 35)},
        "very common word (70%)": lambda: {"query": "quality"},
        "two words": lambda: {"query": f"{between(0, 300)} {between(0, 300)}"},
        "very common and rare word": lambda: {"query": f"quality {between(5000, 29000)}"},
        "either of two words": lambda: {"query": f"{between(0, 300)} or {between(0, 1000)}"},
        "word, but not another": lambda: {"query": f"{between(0, 1000)} -{between(0, 100)}"},
        "word, sorted otherwise": lambda: {"query": between(0, 3000), **sort()},
        "no filter at all": sort,
        "category": lambda: {"category_id": category(), **sort()},
        "price range": lambda: {**sort(), **price()},
        "tags, any of": lambda: {"tags_any": tags(2), **sort()},
        "tags, all of": lambda: {"tags_all": tags(2, 60), **sort()},
        "metadata": lambda: {"metadata": metadata(), **sort()},
        "in stock": lambda: {"is_in_stock": True, **sort()},
        "typing error": lambda: {"query": mistyped()},
        "very common word, rare tags": lambda: {"query": "quality", "tags_all": ["tag250", *tags(1)], **sort(words=True)},
        "very common word, narrow price": lambda: {"query": "quality", **sort(words=True), **price()},
        "word, category, price, in stock": lambda: {
            "query": between(0, 1000),
            "category_id": category(),
            "is_in_stock": True,
            **sort(words=True),
            **price(),
        },
        "word of one category, by price": lambda: {
            "query": word(2000 + 17 * chance.randrange(1, 300) + chance.randrange(40)),
            "sort": chance.choice(list(ORDERS)[3:]),
            "currency": "USD",
        },
        "facets of a word": lambda: {"query": between(0, 1000), "with_facets": True},
        "facets of a category": lambda: {"category_id": category(), "with_facets": True},
    }


def by_kind(app: Connection, searches: int, naive: int) -> None:
    """Print p50 and p95 of a first page for each kind, in rounds over all kinds."""

    def word(number: int) -> str:
        return str(one(app, "SELECT bench.word(%(number)s)", {"number": number}))

    made = kinds(random.Random(1), word)  # noqa: S311 - the same searches in every run
    ours: dict[str, list[float]] = {kind: [] for kind in made}
    theirs: dict[str, list[float]] = {kind: [] for kind in made}
    found: dict[str, list[int]] = {kind: [] for kind in made}
    for number in range(searches):
        for kind, search in made.items():
            arguments = search()
            if number == 0:
                page(app, arguments)  # what is not in memory yet
            spent, document = page(app, arguments)
            ours[kind].append(spent)
            found[kind].append(document["count"]["matches"])
            if number < naive:
                theirs[kind].append(naive_page(app, arguments))
    print(f"{'the first page of 20, milliseconds':<34} matches      p50      p95    worst   naive p50  naive worst")
    for kind, spent in ours.items():
        print(
            f"  {kind:<32} {span(found[kind]):>8} {statistics.median(spent):8.1f} {p95(spent):8.1f} {max(spent):8.1f}"
            f" {statistics.median(theirs[kind]):11.1f} {max(theirs[kind]):12.1f}"
        )
    print()
    everything = list(itertools.chain.from_iterable(ours.values()))
    slowest = max(ours, key=lambda kind: p95(ours[kind]))
    at_most("p95 of all searches", p95(everything), BOUND, " ms")
    at_most(f"p95 of the slowest kind, {slowest}", p95(ours[slowest]), BOUND, " ms")
    print()


def by_depth(app: Connection) -> None:
    """Print what page 1, 50 and 500 cost, by cursor and by OFFSET."""
    lists: dict[str, dict[str, Any]] = {
        "newest, no filter": {"sort": "newest"},
        "a category by price": {"category_id": 1, "sort": "price_ascending", "currency": "USD"},
        "the very common word, newest": {"query": "quality", "sort": "newest"},
        "the very common word by relevance": {"query": "quality"},
    }
    print(f"{'milliseconds of a page, median of 5':<36} page 1  page 50  page 500   OFFSET 1  OFFSET 50  OFFSET 500")
    worst = 0.0
    for name, arguments in lists.items():
        spent = dict(zip((1, 50, 500), deep(app, arguments, (1, 50, 500)), strict=True))
        naive = [statistics.median(naive_page(app, arguments, 20 * (number - 1)) for _ in range(2)) for number in spent]
        print(f"  {name:<34} {spent[1]:6.1f} {spent[50]:8.1f} {spent[500]:9.1f} {naive[0]:10.1f} {naive[1]:10.1f} {naive[2]:11.1f}")
        worst = max(worst, spent[500])
    print()
    at_most("the slowest page 500", worst, BOUND, " ms")


def deep(app: Connection, arguments: dict[str, Any], numbers: tuple[int, ...]) -> list[float]:
    """Return the median milliseconds of these pages, or of the last there is, going from page to page."""
    medians: list[float] = []
    cursor = None
    for number in range(1, max(numbers) + 1):
        spent, document = page(app, {**arguments, "cursor": cursor})
        is_last = document["next_cursor"] is None
        if number in numbers or is_last:
            again = [page(app, {**arguments, "cursor": cursor})[0] for _ in range(4)]
            medians += [statistics.median([spent, *again])] * (len(numbers) - len(medians) if is_last else 1)
        if is_last:
            break
        cursor = document["next_cursor"]
    return medians


def page(app: Connection, arguments: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """Search, and return milliseconds and the page."""
    names = ", ".join(f"p_{name} => %({name})s" for name in arguments)
    started = time.perf_counter()
    document = one(app, f"SELECT product.search_products({names})", arguments)
    return (time.perf_counter() - started) * 1000, document


def naive_page(app: Connection, arguments: dict[str, Any], offset: int = 0) -> float:
    """Do what people write, and return milliseconds."""
    sort = arguments.get("sort") or ("relevance" if "query" in arguments else "newest")
    wanted = " AND ".join(["l.is_active", *(NAIVE[name] for name in arguments if name in NAIVE)])
    tables = f"FROM product.products AS p INNER JOIN product.product_listings AS l ON p.id = l.product_id WHERE {wanted}"
    started = time.perf_counter()
    app.execute(f"SELECT p.*, l.* {tables} ORDER BY {ORDERS[sort]} LIMIT 20 OFFSET {offset}".encode(), arguments).fetchall()
    app.execute(f"SELECT count(*) {tables}".encode(), arguments).fetchall()
    return (time.perf_counter() - started) * 1000


def one(app: Connection, query: str, arguments: dict[str, Any]) -> Any:
    """Return the only column of the only row."""
    row = app.execute(query.encode(), arguments).fetchone()
    assert row
    return row[0]


def p95(milliseconds: list[float]) -> float:
    return statistics.quantiles(milliseconds, n=20, method="inclusive")[18]


def span(matches: list[int]) -> str:
    low, high = min(matches), max(matches)
    return f"{low}-{high}" if low < high else str(low)


if __name__ == "__main__":
    main()
