"""What the audit trail costs

The same UPDATE of one row, on a durable server, without and with the table's audit trigger, and with the row trigger that
people write first: both rows as jsonb into a table without partitions. One table is like orders, the other like inventory.
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from shop import Load, alternate, at_most, audited, commit_milliseconds, ratio, shop, table

if TYPE_CHECKING:
    import psycopg

TABLES = """
CREATE TABLE public.wide (
    id bigint PRIMARY KEY, user_id bigint NOT NULL, order_number text NOT NULL, state text NOT NULL, state_reason text NOT NULL,
    state_actor text NOT NULL, currency text NOT NULL, item_count integer NOT NULL, subtotal bigint NOT NULL,
    discount bigint NOT NULL, tax bigint NOT NULL, total bigint NOT NULL, recipient_name text NOT NULL,
    shipping_address jsonb NOT NULL, shipping_country text NOT NULL, contact_email text NOT NULL, contact_phone text,
    expires_at timestamptz NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, version integer NOT NULL
) WITH (fillfactor = 70);
INSERT INTO public.wide
SELECT n, n, 'ORD-' || n, 'pending', 'order_placed', 'customer', 'USD', 3, 1000, 0, 100, 1100, 'Ann Example',
    '{"street": "Elm Street 5", "city": "Springfield", "postcode": "12345"}', 'US', 'ann@example.org', '+1 555 0100',
    now() + '1 day', now(), now(), 1
FROM generate_series(1, 100000) AS n;
CREATE TABLE public.narrow (
    product_id bigint, bucket integer, available bigint NOT NULL, reserved bigint NOT NULL, total bigint NOT NULL,
    PRIMARY KEY (product_id, bucket), CHECK (available + reserved = total)
) WITH (fillfactor = 50);
INSERT INTO public.narrow SELECT n, 0, 1000000, 0, 1000000 FROM generate_series(1, 100000) AS n;
GRANT SELECT, UPDATE ON public.wide, public.narrow TO public;
-- every user is known already: orders were placed
INSERT INTO ops.privacy_keys (subject_id) SELECT n FROM generate_series(1, 100000) AS n;

CREATE TABLE public.plain_trail (
    at timestamptz NOT NULL DEFAULT now(), who text NOT NULL DEFAULT session_user, old jsonb, new jsonb
);
GRANT INSERT ON public.plain_trail TO public;
CREATE FUNCTION public.plain_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.plain_trail (old, new) VALUES (to_jsonb(OLD), to_jsonb(NEW));
    RETURN NULL;
END
$$;
CREATE TRIGGER plain AFTER UPDATE ON public.wide FOR EACH ROW EXECUTE FUNCTION public.plain_audit();
CREATE TRIGGER plain AFTER UPDATE ON public.narrow FOR EACH ROW EXECUTE FUNCTION public.plain_audit();
"""
TRIGGERS = {"no trigger": None, "audited": "audit_{}", "jsonb of both rows": "plain"}
LIMIT = 25


def main() -> None:
    """Print both tables at 8 and 16 clients, then the bulk update, and the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    with shop() as running, running.service("product") as database:
        owner = database.connect("owner")
        owner.execute(TABLES)
        owner.execute(audited("audited"))
        owner.execute("VACUUM (ANALYZE) public.wide, public.narrow, ops.privacy_keys")
        print(f"one commit: {commit_milliseconds(database):.2f} ms\n")
        costs = {}
        for name in ("wide", "narrow"):
            for clients in (8, 16):

                def load(kind: str, name: str = name, clients: int = clients) -> Load:
                    switch(owner, name, kind)
                    return running.pgbench(database, f"audit_{name}", clients=clients, seconds=options.seconds)

                loads = alternate(options.rounds, {kind: partial(load, kind) for kind in TRIGGERS})
                table(f"UPDATE of one row, {name} table, {clients} clients", loads, "no trigger")
                costs[name, clients] = 100 * (1 - ratio(loads, "audited", "no trigger"))
        bulk(owner, options.rounds)
        for (name, clients), cost in costs.items():
            at_most(f"the trail's share of an update's throughput, {name} table, {clients} clients", cost, LIMIT, " %")


def switch(owner: psycopg.Connection[tuple[Any, ...]], name: str, kind: str) -> None:
    """Leave that trigger on, and clear what the rounds before left."""
    owner.execute(f"ALTER TABLE public.{name} DISABLE TRIGGER USER".encode())
    wanted = TRIGGERS[kind]
    if wanted:
        owner.execute(f"ALTER TABLE public.{name} ENABLE TRIGGER {wanted.format(name)}".encode())
    owner.execute(f"VACUUM public.{name}".encode())


def bulk(owner: psycopg.Connection[tuple[Any, ...]], rounds: int) -> None:
    """Print the seconds of one UPDATE of all 100,000 rows."""
    seconds: dict[str, list[float]] = {kind: [] for kind in TRIGGERS}
    for _ in range(rounds):
        for kind, spent in seconds.items():
            switch(owner, "wide", kind)
            started = time.monotonic()
            owner.execute("UPDATE public.wide SET state = 'confirmed', updated_at = clock_timestamp(), version = version + 1")
            spent.append(time.monotonic() - started)
    print("UPDATE of 100,000 rows of the wide table in one statement")
    for kind, spent in seconds.items():
        print(f"  {kind:<42} {statistics.median(spent):9.2f} s")
    print()


if __name__ == "__main__":
    main()
