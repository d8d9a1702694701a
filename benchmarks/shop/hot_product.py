"""One hot product: the client locks and counts, or reserve_inventory does."""

from __future__ import annotations

import argparse

import shop
from dbkit.testing.plugin import ServiceDatabase

# Stock and reservations as a shop has them that leaves the counting to its application: audited by the same triggers, and
# without what else reserve_inventory keeps (buckets, slots, the request, replays).
PLAIN = """
CREATE SCHEMA plain;
CREATE TABLE plain.products (product_id bigint PRIMARY KEY);
CREATE TABLE plain.stock (
    product_id bigint PRIMARY KEY REFERENCES plain.products,
    available integer NOT NULL CHECK (available >= 0),
    reserved integer NOT NULL CHECK (reserved >= 0)
) WITH (fillfactor = 50);
CREATE TABLE plain.reservations (
    order_id uuid PRIMARY KEY,
    user_id bigint NOT NULL,
    state text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'confirmed', 'released', 'expired')),
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON plain.reservations (expires_at) WHERE state = 'held';
CREATE TABLE plain.reservation_items (
    order_id uuid REFERENCES plain.reservations,
    product_id bigint NOT NULL REFERENCES plain.products,
    quantity integer NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, product_id)
);
INSERT INTO plain.products VALUES (1);
INSERT INTO plain.stock VALUES (1, 100000000, 0);
GRANT USAGE ON SCHEMA plain TO public;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA plain TO public;
"""
STOCK = """
INSERT INTO inventory.inventory_categories (code, name, low_stock_threshold) VALUES ('measured', 'Measured', 0);
INSERT INTO inventory.inventory_products (product_id, sku, name, category_id)
SELECT n, 'sku-' || n, 'Measured', c.id
FROM generate_series(1, %(products)s::integer) AS n CROSS JOIN inventory.inventory_categories AS c;
SELECT count(inventory.receive_stock(n, ops.new_id(), 100000000)) FROM generate_series(1, %(products)s::integer) AS n;
SELECT inventory.set_stock_buckets(1, %(buckets)s::integer);
"""


def stock(database: ServiceDatabase, products: int, buckets: int = 1) -> None:
    """Put a hundred million units of each product on hand, the first one's in so many buckets."""
    owner = database.connect("owner")
    for statement in STOCK.split(";\n"):
        owner.execute(statement.encode(), {"products": products, "buckets": buckets})
    database.connect(None).execute("VACUUM (ANALYZE)")


def main() -> None:
    """Measure at 8 and at 32 clients, in alternating rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    with (
        shop.shop() as running,
        running.service("inventory") as plain,
        running.service("inventory") as one,
        running.service("inventory") as many,
    ):
        superuser = plain.connect(None)
        superuser.execute(PLAIN.encode())
        superuser.execute(shop.audited("plain_reservations"))
        stock(one, 1)
        stock(many, 1, buckets=16)
        print(f"a durable commit: {shop.commit_milliseconds(plain):.2f} ms; audited alike: each reservation\n")

        def measure(title: str, clients: int, trip: int = 0) -> float:
            def load(database: ServiceDatabase, script: str) -> shop.Load:
                return running.pgbench(database, script, clients=clients, seconds=options.seconds, values={"products": 1, "trip": trip})

            loads = shop.alternate(
                options.rounds,
                {
                    "client-side": lambda: load(plain, "hot_client_side"),
                    "reserve_inventory, 1 bucket": lambda: load(one, "reserve"),
                    "reserve_inventory, 16 buckets": lambda: load(many, "reserve"),
                },
            )
            shop.table(title, loads, "client-side")
            return shop.ratio(loads, "reserve_inventory, 16 buckets", "client-side")

        measure("8 clients", 8)
        here = measure("32 clients", 32)
        with running.slower_flush():
            print(f"each statement {shop.TRIP / 1000} ms away, each flush {shop.FLUSH / 1000:g} ms slower: a cloud's network and disk")
            there = measure("32 clients", 32, shop.TRIP)
        shop.at_least("16 buckets to client-side at 32 clients", here, 8)
        shop.at_least("the same with a cloud's network and disk", there, 8)


if __name__ == "__main__":
    main()
