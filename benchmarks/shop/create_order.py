"""create_order end to end, beside the bare INSERTs of the same rows in one transaction of an application.

The bare ones have the same columns, primary keys and foreign keys, and nothing else: no rules, no slots, no idempotency, no
audit trail, no number, no second row for who listens. They take eight round trips, here through a socket of the same machine.
"""

from __future__ import annotations

import argparse
from functools import partial

import psycopg

from shop import alternate, commit_milliseconds, shop, table

CLIENTS = 8
PREPARE = """
CREATE TABLE public.orders (LIKE orders.orders INCLUDING DEFAULTS, PRIMARY KEY (id));
ALTER TABLE public.orders ALTER order_number SET DEFAULT 'none';
CREATE INDEX ON public.orders (user_id, id);
CREATE TABLE public.order_items (LIKE orders.order_items INCLUDING DEFAULTS INCLUDING GENERATED, PRIMARY KEY (order_id, line_number),
    FOREIGN KEY (order_id) REFERENCES public.orders (id));
CREATE TABLE public.order_status_history (LIKE orders.order_status_history INCLUDING DEFAULTS, PRIMARY KEY (order_id, order_version),
    FOREIGN KEY (order_id) REFERENCES public.orders (id));
CREATE TABLE public.events (id uuid PRIMARY KEY DEFAULT ops.new_id(), aggregatetype text, aggregateid text, type text, payload jsonb);
"""


def main() -> None:
    """Place orders of ever new users, one after the other, by eight clients."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6)
    options = parser.parse_args()
    with shop() as running, running.service("order") as database:
        with psycopg.connect(database.dsn(None), autocommit=True) as connection:
            connection.execute(PREPARE)
        print(f"{CLIENTS} clients, orders of three lines a second; a durable commit takes {commit_milliseconds(database):.2f} ms\n")
        load = partial(running.pgbench, database, clients=CLIENTS, seconds=options.seconds)
        loads = alternate(
            options.rounds,
            {"create_order()": partial(load, "create_order"), "bare INSERTs": partial(load, "bare_order", role=None)},
        )
        table("orders", loads, "bare INSERTs")


if __name__ == "__main__":
    main()
