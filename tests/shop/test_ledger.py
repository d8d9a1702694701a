"""What the ledger promises: closed books, balances that are right under load, plans that hold on a table that grew."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
from payment_shop import CAPTURE, REFUND, RESULT, USER, Shop, sound_shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from payment_shop import Connection, Database

PAIR = """
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
SELECT (SELECT max(id) FROM payment.ledger_transfers), a.id, 'USD', CASE a.kind WHEN 'losses' THEN 5 ELSE -5 END
FROM payment.ledger_accounts AS a WHERE a.kind IN ('losses', 'bank') AND a.currency = 'USD'
"""
COPY = "COPY payment.ledger_entries (transfer_id, account_id, currency, amount) FROM STDIN"
MERGE = """
MERGE INTO payment.ledger_entries AS e USING (SELECT min(id) AS id FROM payment.ledger_entries) AS one ON e.id = one.id
WHEN MATCHED THEN UPDATE SET amount = 0
"""
UPSERT = """
INSERT INTO payment.ledger_transfers (id, kind) OVERRIDING SYSTEM VALUE SELECT min(id), 'correction' FROM payment.ledger_transfers
ON CONFLICT (id) DO UPDATE SET kind = 'correction'
"""
# what a writer tries, the code that refuses it, the rule's name
TAMPERING = {
    "a balanced pair added to an old transfer": (PAIR, "SH131", "ledger_entries_same_transaction"),
    "an entry changed": ("UPDATE payment.ledger_entries SET amount = amount + 1", "SH130", "ledger_entries_append_only"),
    "an entry changed by MERGE": (MERGE, "SH130", "ledger_entries_append_only"),
    "an entry deleted": ("DELETE FROM payment.ledger_entries", "SH130", "ledger_entries_append_only"),
    "a transfer changed": ("UPDATE payment.ledger_transfers SET xid = pg_current_xact_id()", "SH130", "ledger_transfers_append_only"),
    "a transfer changed on conflict": (UPSERT, "SH130", "ledger_transfers_append_only"),
    "a transfer deleted": ("DELETE FROM payment.ledger_transfers", "SH130", "ledger_transfers_append_only"),
    "everything truncated": ("TRUNCATE payment.payments CASCADE", "SH451", None),
    "the entries truncated": ("TRUNCATE payment.ledger_entries", "SH130", "ledger_entries_append_only"),
    "a balance changed": ("UPDATE payment.ledger_accounts SET balance = balance - 1", "SH135", "ledger_accounts_by_entries"),
    "an account's kind changed": ("UPDATE payment.ledger_accounts SET kind = 'bank'", "SH135", "ledger_accounts_by_entries"),
    "an account deleted": ("DELETE FROM payment.ledger_accounts", "SH135", "ledger_accounts_by_entries"),
    "the accounts truncated": ("TRUNCATE payment.ledger_accounts CASCADE", "SH135", "ledger_accounts_by_entries"),
    "a snapshot changed": ("UPDATE payment.ledger_balance_snapshots SET balance = 0", "SH130", "ledger_balance_snapshots_append_only"),
    "the history changed": ("DELETE FROM payment.payment_transactions", "SH130", "payment_transactions_append_only"),
    "a transfer under another transaction's id": (
        "INSERT INTO payment.ledger_transfers (kind, xid) VALUES ('correction', '3')",
        "SH131",
        "ledger_transfers_same_transaction",
    ),
    "a transfer without entries": (
        "INSERT INTO payment.ledger_transfers (kind) VALUES ('correction')",
        "SH133",
        "ledger_transfers_entries",
    ),
    "an amount that was never captured": ("UPDATE payment.payments SET refunded_amount = 5000", "23514", "payments_refunded_check"),
}


@pytest.fixture
def shop(pg_service: Callable[[str], Database]) -> Iterator[Shop]:
    yield from sound_shop(pg_service)


@pytest.mark.parametrize("writer", ["owner", None], ids=["owner", "superuser"])
def test_the_books_take_no_tampering(shop: Shop, writer: str | None) -> None:
    """Not by the tables' owner either; the rule says its name, and nothing of it stays."""
    shop.captured(1000)
    shop.app.execute("SELECT payment.snapshot_ledger_balances()")
    hand = shop.db.connect(writer)
    for what, (statement, code, rule) in TAMPERING.items():
        with pytest.raises(psycopg.Error) as refusal:
            hand.execute(statement.encode())
        assert (what, refusal.value.sqlstate) == (what, code)
        assert rule is None or refusal.value.diag.constraint_name == rule
    with pytest.raises(psycopg.Error) as refusal, hand.cursor().copy(COPY) as copy:
        copy.write(b"1\t1\tUSD\t5\n")
    assert refusal.value.sqlstate == "SH131"


def test_a_transfer_of_yesterdays_transaction_id_is_closed(shop: Shop) -> None:
    """After a restore ids begin low again: a transfer whose id comes again takes no entries all the same."""
    shop.captured(1000)
    root = shop.db.connect(None)
    with root.transaction(force_rollback=True):
        root.execute("SET LOCAL session_replication_role = replica")
        root.execute("INSERT INTO payment.ledger_transfers (kind, epoch, created_at) VALUES ('correction', 1, now() - interval '1 day')")
        root.execute("SET LOCAL session_replication_role = origin")
        with pytest.raises(psycopg.Error) as refusal:
            root.execute(PAIR.encode())
    assert refusal.value.sqlstate == "SH131"


@pytest.mark.parametrize(("amounts", "code"), [([], "SH133"), ([5], "SH133"), ([5, -4], "SH132"), ([5, -5], None)])
def test_an_unbalanced_transfer_is_refused_at_commit(shop: Shop, amounts: list[int], code: str | None) -> None:
    """Its statements pass, its COMMIT does not, and nothing of it stays."""
    shop.captured(1000)
    count = "SELECT count(*) FROM payment.ledger_transfers"
    before = shop.owner.execute(count).fetchone()
    cursor = shop.owner.cursor()
    cursor.execute("BEGIN")
    cursor.execute("INSERT INTO payment.ledger_transfers (kind) VALUES ('correction')")
    for amount in amounts:
        cursor.execute(
            "INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)"
            " SELECT max(t.id), payment.ledger_account_id('losses', 'USD', NULL, NULL), 'USD', %s"
            " FROM payment.ledger_transfers AS t",
            [amount],
        )
    if code is None:
        cursor.execute("COMMIT")
        return
    with pytest.raises(psycopg.Error) as refusal:
        cursor.execute("COMMIT")
    assert refusal.value.sqlstate == code
    assert shop.owner.execute(count).fetchone() == before


def test_the_app_commits_transfers_whose_tables_it_cannot_read(shop: Shop) -> None:
    """The checks at COMMIT run with the owner's rights, before 18 too."""
    with shop.app.transaction():
        payment = shop.captured(1000)
    assert shop.payment(payment)["captured_amount"] == 1000
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shop.app.execute("SELECT amount FROM payment.ledger_entries")


def test_a_snapshot_loses_no_entry_that_commits_late(shop: Shop) -> None:
    """Entries drawn before a snapshot and committed after it are in the balance, once."""
    snapshot = "SELECT payment.snapshot_ledger_balances() AS taken"
    balance = "SELECT balance FROM payment.ledger_account_balances WHERE kind = 'clearing'"
    taken = "SELECT array_agg(balance) FROM payment.ledger_balance_snapshots"
    shop.captured(100)
    payment = shop.authorized(30)
    shop.ask(CAPTURE, USER, "late", payment, None)
    late = shop.db.connect("app")
    with late.transaction():
        late.execute(RESULT, [USER, "late", "cp_late"])
        shop.captured(7, user=8)
        shop.ask(snapshot)
        # none where a transaction of another database is older than the first capture
        assert shop.owner.execute(taken).fetchone() in [([100],), (None,)]
        assert shop.owner.execute(balance).fetchone() == (107,)
    assert shop.owner.execute(balance).fetchone() == (137,)
    shop.ask(snapshot)
    assert shop.owner.execute(balance).fetchone() == (137,)


def test_balances_of_hot_accounts_are_right_at_every_moment(shop: Shop) -> None:
    """Beside four writers, one of them slow to commit, and two that take snapshots, every reader sees the entries' sum."""
    done = threading.Event()
    sure = random.Random(7)  # noqa: S311
    wrong = """
    SELECT b.account_id, b.balance, e.sum FROM payment.ledger_account_balances AS b
    CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS sum FROM payment.ledger_entries WHERE account_id = b.account_id) AS e
    WHERE b.balance <> e.sum
    """

    def write(user: int) -> None:
        mine = Shop(shop.db, shop.db.connect("app"), shop.owner)
        for turn in range(6):
            with mine.app.transaction():
                payment = mine.captured(100, user)
                key = mine.key(f"re-{user}")
                mine.ask(REFUND, user, key, payment, 40)
                mine.ask(RESULT, user, key, f"rf-{user}-{turn}")
                if user == 1:
                    time.sleep(sure.random() / 10)

    def until_done(query: str, role: str) -> list[tuple[object, ...]]:
        connection, seen = shop.db.connect(role), []
        while not done.is_set():
            seen += connection.execute(query.encode()).fetchall()
        return seen

    with ThreadPoolExecutor(8) as pool:
        takers = [pool.submit(until_done, "SELECT payment.snapshot_ledger_balances()", "ops") for _ in range(2)]
        readers = [pool.submit(until_done, wrong, "readonly") for _ in range(2)]
        writers = [pool.submit(write, user) for user in (1, 2, 3, 4)]
        for writer in writers:
            writer.exception()
        done.set()
        for writer in writers:
            writer.result()
        assert [row for reader in readers for row in reader.result()] == []
        assert sum(int(str(n)) for taker in takers for (n,) in taker.result()) > 0


def test_a_plan_made_on_empty_tables_scans_none_that_grew(shop: Shop) -> None:
    """A session that planned while the ledger was empty, and was analysed as empty, reads it by index when it is large."""
    root = shop.db.connect(None)
    root.execute("ALTER TABLE payment.ledger_entries SET (autovacuum_enabled = off)")
    root.execute("ALTER TABLE payment.ledger_transfers SET (autovacuum_enabled = off)")
    root.execute("ALTER TABLE payment.ledger_accounts SET (autovacuum_enabled = off)")
    root.execute("VACUUM (ANALYZE)")
    for _ in range(12):
        shop.captured(100)
    fill(root)

    with shop.app.transaction():
        for _ in range(3):
            shop.captured(100)
        shop.app.execute("SET CONSTRAINTS ALL IMMEDIATE")
        scans = shop.app.execute(
            "SELECT relname, seq_scan, seq_tup_read, idx_scan FROM pg_stat_xact_user_tables WHERE relname IN"
            " ('ledger_entries', 'ledger_transfers', 'ledger_accounts')"
        ).fetchall()
    assert {name: read for name, _, read, _ in scans} == {"ledger_entries": 0, "ledger_transfers": 0, "ledger_accounts": 0}
    assert all(used > 0 for *_, used in scans)


def fill(root: Connection) -> None:
    """Write 20,000 sound transfers past the triggers."""
    with root.transaction():
        root.execute("SET LOCAL session_replication_role = replica")
        root.execute("INSERT INTO payment.ledger_transfers (kind, epoch) SELECT 'correction', 1 FROM generate_series(1, 20000)")
        root.execute(
            "INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount, epoch, xid)"
            " SELECT t.id, a.id, 'EUR', n.amount, 1, t.xid FROM payment.ledger_transfers AS t"
            " INNER JOIN payment.ledger_accounts AS a ON a.kind = 'bank' AND a.currency = 'EUR'"
            " CROSS JOIN (VALUES (1), (-1)) AS n (amount) WHERE t.kind = 'correction'"
        )
        root.execute(
            "INSERT INTO payment.ledger_accounts (kind, currency, user_id)"
            " SELECT 'customer', 'EUR', 1000 + n FROM generate_series(1, 20000) AS n"
        )


def test_the_ledger_is_not_partitioned(shop: Shop) -> None:
    """A transfer's entries are read by its id, and nothing in the books expires."""
    kinds = "SELECT DISTINCT relkind::text FROM pg_class WHERE relname ~ '^ledger_(accounts|transfers|entries|balance_snapshots)$'"
    assert shop.owner.execute(kinds).fetchall() == [("r",)]
