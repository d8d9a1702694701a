"""The ledger: posting to cold accounts and to one hot account; a payment from end to end"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import shop as bench
from dbkit.testing.plugin import ServiceDatabase

CLIENTS = 16
ACCOUNTS = 5_000
HOT, NAIVE_HOT = "one hot account, append-only", "one hot account, a naive running balance"
# what a shop without this ledger would write: every balance in its account's row, the entries of both accounts
NAIVE = """
CREATE TABLE naive_accounts (id bigint PRIMARY KEY, balance bigint NOT NULL DEFAULT 0);
CREATE TABLE naive_transfers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text NOT NULL);
CREATE TABLE naive_entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transfer_id bigint NOT NULL REFERENCES naive_transfers,
    account_id bigint NOT NULL REFERENCES naive_accounts,
    amount bigint NOT NULL,
    balance_after bigint NOT NULL
);
CREATE INDEX ON naive_entries (transfer_id);
CREATE INDEX ON naive_entries (account_id);
INSERT INTO naive_accounts SELECT generate_series(0, {accounts});
CREATE FUNCTION naive_post(p_account bigint, p_amount bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_transfer bigint;
BEGIN
    INSERT INTO naive_transfers (kind) VALUES ('correction') RETURNING id INTO v_transfer;
    WITH line AS (
        UPDATE naive_accounts SET balance = balance - p_amount WHERE id = p_account RETURNING id, -p_amount AS amount, balance
    )
    INSERT INTO naive_entries (transfer_id, account_id, amount, balance_after) SELECT v_transfer, id, amount, balance FROM line;
    WITH line AS (
        UPDATE naive_accounts SET balance = balance + p_amount WHERE id = 0 RETURNING id, p_amount AS amount, balance
    )
    INSERT INTO naive_entries (transfer_id, account_id, amount, balance_after) SELECT v_transfer, id, amount, balance FROM line;
END;
$$;
"""
BARE = """
CREATE TABLE bare_transfers (LIKE payment.ledger_transfers INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING INDEXES);
CREATE TABLE bare_entries (LIKE payment.ledger_entries INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING INDEXES);
CREATE TABLE bare_steps (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id bigint NOT NULL, body text NOT NULL);
"""
# an opening balance each: a customer's account never stands above zero
CUSTOMERS = """
SELECT payment.post_transfer('correction', NULL, ARRAY[payment.ledger_account_id('losses', 'USD', NULL, NULL),
    payment.ledger_account_id('customer', 'USD', NULL, n)], ARRAY[1000000000, -1000000000])
FROM generate_series(1, {accounts}) AS n;
SELECT payment.ledger_account_id('clearing', 'USD', 'benchpay', NULL);
SELECT payment.add_payment_method(n, 'benchpay', 'tok_bench_' || n, 'card') FROM generate_series(1, {accounts}) AS n;
"""


def prepare(database: ServiceDatabase) -> dict[str, object]:
    """Make the accounts and the tables of the baselines; return where the accounts are."""
    owner = database.connect("owner")
    root = database.connect(None)
    owner.execute(CUSTOMERS.format(accounts=ACCOUNTS).encode())
    root.execute((NAIVE.format(accounts=ACCOUNTS) + BARE).encode())
    root.execute("VACUUM (ANALYZE)")
    row = owner.execute(
        "SELECT min(id) FILTER (WHERE kind = 'customer'), min(id) FILTER (WHERE kind = 'clearing'),"
        " count(*) FILTER (WHERE kind = 'customer'), max(id) FILTER (WHERE kind = 'customer') FROM payment.ledger_accounts"
    ).fetchone()
    assert row is not None
    first, hot, customers, last = row
    assert (customers, last - first + 1) == (ACCOUNTS, ACCOUNTS)
    return {"first": first, "last": last, "hot": hot, "users": ACCOUNTS}


def main() -> None:
    """Run the loads in turn, and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6)
    options = parser.parse_args()
    with bench.shop() as shop, shop.service("payment") as database:
        values = prepare(database)
        print(f"{CLIENTS} clients, {ACCOUNTS:,} accounts, a durable commit costs {bench.commit_milliseconds(database):.2f} ms\n")

        def load(script: str, role: str | None = None) -> Callable[[], bench.Load]:
            return lambda: shop.pgbench(database, script, clients=CLIENTS, seconds=options.seconds, role=role, values=values)

        posts = bench.alternate(
            options.rounds,
            {
                "bare INSERTs of the same rows": load("ledger_bare"),
                "cold accounts, running balances": load("ledger_cold", "owner"),
                HOT: load("ledger_hot", "owner"),
                NAIVE_HOT: load("ledger_naive"),
            },
        )
        bench.table("one transfer of two entries", posts, "bare INSERTs of the same rows")
        with shop.slower_flush():
            slower = bench.alternate(options.rounds, {HOT: load("ledger_hot", "owner"), NAIVE_HOT: load("ledger_naive")})
        bench.table(f"the same, each flush {bench.FLUSH / 1000:g} ms slower", slower, NAIVE_HOT)
        payments = bench.alternate(
            options.rounds,
            {
                "four bare INSERTs, a transaction each": load("four_inserts"),
                "authorize, result, capture, result": load("payment_end_to_end", "app"),
            },
        )
        bench.table("a payment from end to end", payments, "four bare INSERTs, a transaction each")
        faults = database.connect("owner").execute("SELECT * FROM payment.verify_ledger() WHERE fault <> 'payments_position'").fetchall()
        # transfers made by hand follow no payment
        print(f"verify_ledger() afterwards: {len(faults)} faults")
    bench.at_least(f"{HOT} to a naive running balance", bench.ratio(posts, HOT, NAIVE_HOT), 4)
    bench.at_least("the same with slower flushes", bench.ratio(slower, HOT, NAIVE_HOT), 4)


if __name__ == "__main__":
    main()
