"""Reservations of distinct products at 1 to 32 clients."""

from __future__ import annotations

import argparse
import os

import hot_product

import shop

PRODUCTS = 10_000


def main() -> None:
    """Measure each number of clients once a round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    with shop.shop() as running, running.service("inventory") as database:
        hot_product.stock(database, PRODUCTS)

        def load(clients: int) -> shop.Load:
            return running.pgbench(database, "reserve", clients=clients, seconds=options.seconds, values={"products": PRODUCTS, "trip": 0})

        print(f"a durable commit: {shop.commit_milliseconds(database):.2f} ms; {os.cpu_count()} cores, pgbench on the same ones\n")
        loads = shop.alternate(
            options.rounds,
            {
                "1 client": lambda: load(1),
                "2 clients": lambda: load(2),
                "8 clients": lambda: load(8),
                "32 clients": lambda: load(32),
            },
        )
        shop.table(f"{PRODUCTS} products, 1 bucket each", loads, "1 client")
        shop.at_least("8 clients to 1", shop.ratio(loads, "8 clients", "1 client"), 2)


if __name__ == "__main__":
    main()
