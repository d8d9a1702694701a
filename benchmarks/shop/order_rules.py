"""validate_order_business_rules beside a bare round trip and beside the same checks as an application's queries.

The queries read each limit and count the pending orders; lines and sums are checked by the application, at no cost here.
"""

from __future__ import annotations

import argparse
from functools import partial

import psycopg

from shop import alternate, shop, table

CLIENTS = 8
# 1,000 users with two pending orders each, among 100,000 orders that are done
PREPARE = """
SET session_replication_role = replica;
INSERT INTO orders.orders (
    id, user_id, order_number, state, currency, item_count, subtotal, discount, tax, total, recipient_name,
    shipping_address, shipping_country, contact_email, expires_at
)
SELECT ops.id_floor(now() - n * interval '10 seconds'), n % 1000 + 1, n, CASE WHEN n <= 2000 THEN 'pending' ELSE 'delivered' END,
    'USD', 1, 5000, 0, 0, 5000, 'Ada', '{}', 'GB', 'ada@example.com', now() + interval '1 hour'
FROM generate_series(1, 100000) AS n;
INSERT INTO orders.order_pending_slots (user_id, slot, order_id)
SELECT o.user_id, row_number() OVER (PARTITION BY o.user_id), o.id FROM orders.orders AS o WHERE o.state = 'pending';
RESET session_replication_role;
ANALYZE orders.orders, orders.order_pending_slots;
"""


def main() -> None:
    """Ask as often as eight clients can."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    options = parser.parse_args()
    with shop() as running, running.service("order") as database:
        with psycopg.connect(database.dsn(None), autocommit=True) as connection:
            connection.execute(PREPARE)
        load = partial(running.pgbench, database, clients=CLIENTS, seconds=options.seconds)
        loads = alternate(
            options.rounds,
            {
                "validate_order_business_rules()": partial(load, "order_rules"),
                "an application's four queries": partial(load, "order_rules_queries"),
                "SELECT 1": partial(load, "select_one"),
            },
        )
        table(f"{CLIENTS} clients, checks of three lines", loads, "SELECT 1")


if __name__ == "__main__":
    main()
