"""The outbox: writing events, claiming and completing them in order, with blocked heads, beside an old snapshot.

`strict` is claim_outbox_events() and complete_outbox_events() over 20,000 keys. `lease` is what people write without order:
the same events, deliveries of the same shape with a lease but no index
of keys, SKIP LOCKED, two transactions. `delete` is the limit: one DELETE …
RETURNING that loses what a worker has in hand when it dies.
"""

# ruff: noqa: S608 (the numbers in these statements are constants of this file)

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import psycopg

from shop import Load, ServiceDatabase, Shop, alternate, at_least, commit_milliseconds, ratio, shop, table

CLIENTS = 8
EVENTS, KEYS = 100_000, 20_000
# batch: transactions of each client, so that the events never run short
CLAIMS = {1: 200, 10: 100, 100: 60, 500: 15}
WRITES = {1: 300, 100: 15}

PREPARE = f"""
SELECT orders.register_outbox_consumer('t');
CREATE TABLE public.plain_events (
    id uuid NOT NULL DEFAULT ops.new_id(), aggregatetype text NOT NULL, aggregateid text NOT NULL, type text NOT NULL,
    payload jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (id, created_at)
);
CREATE TABLE public.plain_deliveries (LIKE orders.outbox_deliveries INCLUDING DEFAULTS, PRIMARY KEY (event_id, consumer)) WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX ON public.plain_deliveries (consumer, priority, run_at, key_seq) WHERE died_at IS NULL;
SET session_replication_role = replica;
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key, key_seq, xid, epoch)
SELECT 'order', n % {KEYS}, 'order.created', '{{"total": 5000, "currency": "USD"}}', 'key ' || n % {KEYS}, n,
    pg_current_xact_id(), 1
FROM generate_series(1, {EVENTS}) AS n;
ANALYZE orders.outbox_events;
"""
FILL_STRICT = f"""
TRUNCATE orders.outbox_deliveries;
SET session_replication_role = replica;
INSERT INTO orders.outbox_deliveries (
    consumer, event_id, event_created_at, partition_key, key_seq, priority, run_at, is_waiting
)
SELECT 't', e.id, e.created_at, e.partition_key, e.key_seq, e.priority, e.created_at, e.key_seq > {KEYS}
FROM orders.outbox_events AS e
WHERE e.key_seq <= {EVENTS}
ORDER BY e.key_seq;
"""
# 50,000 dead heads, older and more urgent than all the rest, and one event behind each
FILL_BLOCKED = f"""
{FILL_STRICT}
INSERT INTO orders.outbox_deliveries (
    consumer, event_id, event_created_at, partition_key, key_seq, priority, run_at, is_waiting, died_at
)
SELECT 't', ops.new_id(), now(), 'poison ' || n % 50000, n, 0, now() - interval '1 day', n > 50000,
    CASE WHEN n <= 50000 THEN now() END
FROM generate_series(1, 100000) AS n;
"""
FILL_PLAIN = f"""
TRUNCATE public.plain_deliveries;
INSERT INTO public.plain_deliveries (
    consumer, event_id, event_created_at, partition_key, key_seq, priority, run_at, is_waiting
)
SELECT 't', e.id, e.created_at, e.partition_key, e.key_seq, e.priority, e.created_at, FALSE
FROM orders.outbox_events AS e
WHERE e.key_seq <= {EVENTS}
ORDER BY e.key_seq;
"""


def main() -> None:
    """Measure writing, then claiming by batch, then what stands in the way of claiming."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with shop() as running, running.service("order") as database:
        run(database, PREPARE)
        print(f"{CLIENTS} clients, events a second; a durable commit takes {commit_milliseconds(database):.2f} ms\n")
        write(running, database, options.rounds)
        claim(running, database, options.rounds)
        disturb(running, database, options.rounds)


def write(running: Shop, database: ServiceDatabase, rounds: int) -> None:
    """Compare writing an event that has an order with writing one that has none."""
    for batch, transactions in WRITES.items():
        load = partial(measure, running, database, batch=batch, transactions=transactions)
        loads = alternate(
            rounds,
            {"outbox_events": partial(load, None, "outbox_enqueue"), "two bare tables": partial(load, None, "plain_enqueue")},
        )
        table(f"enqueue, {batch} a transaction", loads, "two bare tables")


def claim(running: Shop, database: ServiceDatabase, rounds: int) -> None:
    """Compare claiming and completing in order with what has no order, by size of batch."""
    for batch, transactions in CLAIMS.items():
        load = partial(measure, running, database, batch=batch, transactions=transactions)
        loads = alternate(
            rounds,
            {
                "strict": partial(load, FILL_STRICT, "outbox_claim"),
                "lease": partial(load, FILL_PLAIN, "plain_claim"),
                "delete": partial(load, FILL_PLAIN, "plain_delete"),
            },
        )
        table(f"claim and complete, batch {batch}", loads, "lease")
        if batch == 100:
            at_least("strict order over 20,000 keys to a lease without order", ratio(loads, "strict", "lease"), 0.5)
            print()


def disturb(running: Shop, database: ServiceDatabase, rounds: int) -> None:
    """Measure claiming with 100,000 blocked events before all others, and with a snapshot held that keeps dead rows."""
    load = partial(measure, running, database, batch=100, transactions=CLAIMS[100])
    loads = alternate(
        rounds,
        {
            "strict": partial(load, FILL_STRICT, "outbox_claim"),
            "strict, 100,000 blocked": partial(load, FILL_BLOCKED, "outbox_claim"),
            "strict, old snapshot": partial(load, FILL_STRICT, "outbox_claim", old_snapshot=True),
            "lease": partial(load, FILL_PLAIN, "plain_claim"),
            "lease, old snapshot": partial(load, FILL_PLAIN, "plain_claim", old_snapshot=True),
        },
    )
    table("claim and complete, batch 100", loads, "strict")
    at_least("with 100,000 blocked events at the head, to without", ratio(loads, "strict, 100,000 blocked", "strict"), 0.8)
    print(f"with an old snapshot held, to without: strict {ratio(loads, 'strict, old snapshot', 'strict'):.2f}x,", end=" ")
    print(f"lease {ratio(loads, 'lease, old snapshot', 'lease'):.2f}x")


def measure(
    running: Shop,
    database: ServiceDatabase,
    fill: str | None,
    script: str,
    *,
    batch: int,
    transactions: int,
    old_snapshot: bool = False,
) -> Load:
    """Fill the queue, run the script, and count events instead of transactions."""
    if fill:
        run(database, f"{fill}; VACUUM (ANALYZE) orders.outbox_deliveries, public.plain_deliveries")
    with snapshot(database, old_snapshot):
        load = running.pgbench(database, script, clients=CLIENTS, transactions=transactions, role=None, values={"batch": batch})
    return replace(load, tps=load.tps * batch)


@contextmanager
def snapshot(database: ServiceDatabase, is_held: bool) -> Iterator[None]:
    """Hold a snapshot of the whole time, as a long report does."""
    with psycopg.connect(database.dsn(None)) as connection:
        if is_held:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.execute("SELECT count(*) FROM orders.outbox_events")
        yield
        connection.rollback()


def run(database: ServiceDatabase, script: str) -> None:
    """Run statements as the superuser, each a transaction."""
    with psycopg.connect(database.dsn(None), autocommit=True) as connection:
        for statement in script.split(";\n"):
            for part in statement.split("; "):
                connection.execute(part.encode())


if __name__ == "__main__":
    main()
