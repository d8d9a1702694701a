"""What the order service promises to several sessions at once, and to each role.

What one session can show is in tests/shop/order/*.sql.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
import pytest
from order_calls import LAMP, Connection, Database, at_once, outcome_of, place, rows, value, wait_until_blocked
from psycopg import sql

pytest_plugins = ["order_fixtures"]


def test_five_pending_orders_survive_a_hundred_attempts(db: Database) -> None:
    """However many try at once, a user ends with five pending orders; the rest are told why."""
    sessions = [db.connect() for _ in range(100)]

    answers = at_once([partial(place, s, 7, f"key {n}") for n, s in enumerate(sessions)])

    assert Counter(a["outcome"] for a in answers) == {"created": 5, "refused": 95}
    assert {v["code"] for a in answers if a["violations"] for v in a["violations"]} == {"SH005"}
    assert value(sessions[0], "SELECT count(*) FROM orders.orders WHERE user_id = 7") == 5


def test_a_slot_that_is_given_back_goes_to_whoever_waits(db: Database, owner: Connection) -> None:
    """A sixth order waits for a cancellation that is under way, then takes its slot."""
    app, observer = db.connect(), db.connect("owner")
    placed = [place(app, 7, str(n)) for n in range(5)]
    with ThreadPoolExecutor() as pool:
        with app.transaction():
            app.execute("SELECT orders.cancel_order(7, %s)", [placed[2]["order_id"]])
            # create_order() would refuse on sight of five. The slot decides: ask it directly.
            late = pool.submit(insert_by_hand, owner, 7)
            wait_until_blocked(observer, owner.info.backend_pid)
        late.result()

    assert value(app, "SELECT count(*) FROM orders.orders WHERE state = 'pending'") == 5


def test_one_request_sent_twice_deadlocks_over_no_overdue_order(db: Database, owner: Connection) -> None:
    """The first holds the key and waits for the slot that the second would give back: an order of the user that ran out meanwhile."""
    first, second, observer = db.connect(), db.connect(), db.connect("owner")
    placed = [place(first, 7, str(n)) for n in range(4)]
    with ThreadPoolExecutor() as pool:
        with owner.transaction():
            owner.execute("LOCK TABLE orders.order_numbers IN SHARE MODE")
            one = pool.submit(place, first, 7, "same")
            wait_until_blocked(observer, first.info.backend_pid)
            observer.execute("UPDATE orders.orders SET expires_at = statement_timestamp() WHERE id = %s", [placed[1]["order_id"]])
            other = pool.submit(place, second, 7, "same")
            wait_until_blocked(observer, second.info.backend_pid)
        answers = [one.result(), other.result()]

    assert [answer["outcome"] for answer in answers] == ["created", "replayed"]
    assert answers[0]["order_id"] == answers[1]["order_id"]


def insert_by_hand(owner: Connection, user: int) -> None:
    """Write an order and its line without create_order()."""
    with owner.transaction():
        order = value(
            owner,
            "INSERT INTO orders.orders (user_id, currency, item_count, subtotal, discount, tax,"
            " total, recipient_name, shipping_address, shipping_country, contact_email)"
            " VALUES (%s, 'USD', 1, 5000, 0, 0, 5000, 'A', '{}', 'GB', 'a@example.com')"
            " RETURNING id",
            user,
        )
        owner.execute(
            "INSERT INTO orders.order_items"
            " (order_id, line_number, product_id, product_name, quantity, unit_price)"
            " VALUES (%s, 1, 1, 'Lamp', 1, 5000)",
            [order],
        )


def test_a_replayed_request_makes_one_order(db: Database) -> None:
    """Twelve callers with one key and one body get one order."""
    sessions = [db.connect() for _ in range(12)]

    answers = at_once([partial(place, s, 7, "one") for s in sessions])

    assert Counter(a["outcome"] for a in answers) == {"created": 1, "replayed": 11}
    assert len({(a["order_id"], a["order_number"], a["total"]) for a in answers}) == 1
    assert value(sessions[0], "SELECT count(*) FROM orders.orders") == 1


def test_another_body_under_a_used_key_is_refused(db: Database) -> None:
    """A key stands for one request: another body raises, and writes nothing."""
    app = db.connect()
    place(app, 7, "one")

    with pytest.raises(psycopg.Error) as refusal:
        place(app, 7, "one", [LAMP | {"quantity": 2}])

    assert refusal.value.sqlstate == "SH014"
    assert refusal.value.diag.constraint_name == "idempotency_request"
    assert value(app, "SELECT count(*) FROM orders.orders") == 1


def test_of_two_takeovers_one_wins_and_the_first_claim_is_void(db: Database, owner: Connection) -> None:
    """A stale claim goes to one of eight who ask at once; the rest wait, and the old holder can't complete."""
    sessions = [db.connect() for _ in range(8)]
    claim_key = "SELECT outcome, claim_token FROM orders.claim_idempotency_key(7, 'pay', 'k', sha256('body'))"
    stale = rows(sessions[0], claim_key)[0]
    owner.execute("UPDATE orders.idempotency_keys SET claimed_at = now() - (SELECT stale_claim FROM orders.rules())")

    answers = [found[0] for found in at_once([partial(rows, s, claim_key) for s in sessions])]

    assert Counter(a["outcome"] for a in answers) == {"takeover": 1, "in_progress": 7}
    winner = next(a["claim_token"] for a in answers if a["outcome"] == "takeover")
    done = "SELECT orders.complete_idempotency_key(7, 'pay', 'k', %s, '{\"paid\": true}')"
    assert outcome_of(sessions[0], done, stale["claim_token"]) == "SH016"
    assert outcome_of(sessions[1], done, winner) == "00000"
    assert {found[0]["outcome"] for found in at_once([partial(rows, s, claim_key) for s in sessions])} == {"replay"}


def test_two_bodies_under_one_key_make_one_order(db: Database) -> None:
    """Of twelve callers with one key and two bodies, those of one body get its order, the others are refused."""
    sessions = [db.connect() for _ in range(12)]

    def attempt(number: int) -> str:
        try:
            return str(place(sessions[number], 7, "one", [LAMP | {"quantity": 1 + number % 2}])["total"])
        except psycopg.Error as error:
            return error.sqlstate or "none"

    answers = Counter(at_once([partial(attempt, n) for n in range(12)]))

    assert answers in ({"5000": 6, "SH014": 6}, {"10000": 6, "SH014": 6})
    assert value(sessions[0], "SELECT count(*) FROM orders.orders") == 1


STATES = ("pending", "confirmed", "processing", "shipped", "delivered", "cancelled", "expired", "returned")


def test_every_move_that_the_table_does_not_have_is_refused(db: Database, owner: Connection) -> None:
    """Of all pairs of states those in order_transitions pass, and all others are SH009 with both states in it."""
    superuser = db.connect(None)
    allowed = {(r["from_state"], r["to_state"]) for r in rows(owner, "SELECT * FROM orders.order_transitions")}
    order = place(db.connect(), 7, "one")["order_id"]
    passed, told = set(), set()
    for origin in STATES:
        for goal in STATES:
            superuser.execute("SET session_replication_role = replica")
            overdue = "- interval '1 hour'" if goal == "expired" else "+ interval '1 hour'"
            superuser.execute(f"UPDATE orders.orders SET state = '{origin}', expires_at = now() {overdue}")
            superuser.execute("RESET session_replication_role")
            try:
                with owner.transaction(force_rollback=True):
                    owner.execute("UPDATE orders.orders SET state = %s WHERE id = %s", [goal, order])
                    passed.add((origin, goal))
            except psycopg.Error as error:
                detail = f"Order: {order}, from: {origin}, to: {goal}."
                told.add((error.sqlstate, error.diag.constraint_name, error.diag.message_detail == detail))

    assert passed == {pair for pair in allowed if pair[0] != "new"} | {(state, state) for state in STATES}
    assert told == {("SH009", "order_transition", True)}


def test_an_order_is_born_pending(owner: Connection) -> None:
    """Whatever writes it, an order begins in the one state that the table has for a new one."""
    born = (
        "INSERT INTO orders.orders (user_id, state, currency, item_count, subtotal, discount, tax, total,"
        " recipient_name, shipping_address, shipping_country, contact_email)"
        " VALUES (7, %s, 'USD', 1, 5000, 0, 0, 5000, 'A', '{}', 'GB', 'a@example.com')"
    )
    answers = {}
    for state in STATES:
        with owner.transaction(force_rollback=True):
            answers[state] = outcome_of(owner, born, state)

    assert answers.pop("pending") == "00000"
    assert set(answers.values()) == {"SH009"}


def test_confirming_and_expiring_at_once_agree(db: Database, owner: Connection) -> None:
    """At the moment an order runs out it is confirmed or expired, never both, and every caller is told which."""
    sessions = [db.connect() for _ in range(10)]
    sweepers = [db.connect("ops") for _ in range(2)]
    ids = [place(sessions[0], user, "one")["order_id"] for user in range(10)]
    owner.execute("UPDATE orders.orders SET expires_at = clock_timestamp() + user_id * interval '3 ms'")

    def confirm(session: Connection, user: int) -> str:
        return str(value(session, "SELECT outcome FROM orders.confirm_order(%s, %s)", user, ids[user]))

    def sweep(session: Connection) -> str:
        while value(session, "SELECT count(*) FROM orders.orders WHERE state = 'pending'"):
            session.execute("SELECT orders.cleanup_expired_orders(3)")
        return "swept"

    answers = at_once([*(partial(confirm, s, n) for n, s in enumerate(sessions)), *(partial(sweep, s) for s in sweepers)])

    ended = {r["id"]: r["state"] for r in rows(owner, "SELECT id, state FROM orders.orders")}
    assert [ended[order] for order in ids] == answers[:10]
    assert "expired" in answers
    assert value(owner, "SELECT count(*) FROM orders.order_status_history") == 20
    assert value(owner, "SELECT count(*) FROM orders.order_pending_slots") == 0


def test_totals_are_proven_at_commit(owner: Connection) -> None:
    """An order whose lines do not add up can't be committed, whoever wrote it."""
    owner.execute("BEGIN")
    owner.execute(
        "INSERT INTO orders.orders (user_id, currency, item_count, subtotal, discount, tax,"
        " total, recipient_name, shipping_address, shipping_country, contact_email)"
        " VALUES (7, 'USD', 1, 5000, 0, 0, 5000, 'A', '{}', 'GB', 'a@example.com')"
    )

    with pytest.raises(psycopg.Error) as refusal:
        owner.execute("COMMIT")

    assert refusal.value.sqlstate == "SH008"


def test_sweepers_share_the_work(db: Database, owner: Connection) -> None:
    """Four sweepers at once expire every overdue order exactly once, and wait for nobody."""
    app = db.connect()
    for user in range(1, 5):
        for n in range(5):
            place(app, user, str(n))
    owner.execute("UPDATE orders.orders SET expires_at = now()")
    sessions = [db.connect("ops") for _ in range(4)]

    def sweep(session: Connection) -> int:
        total = 0
        while count := int(value(session, "SELECT orders.cleanup_expired_orders(3)")):
            total += count
        return total

    counts = at_once([partial(sweep, s) for s in sessions])

    assert sum(counts) == 20
    assert value(owner, "SELECT count(*) FROM orders.orders WHERE state = 'expired'") == 20
    assert value(owner, "SELECT count(*) FROM orders.order_pending_slots") == 0
    assert value(owner, "SELECT count(*) FROM orders.outbox_events WHERE type = 'order.expired'") == 20


def test_orders_expire_where_no_partition_can_be_made(db: Database, owner: Connection) -> None:
    """A sweeper that can't have a partitioned table does the rest of its work, and says so."""
    order = place(db.connect(), 7, "one")["order_id"]
    owner.execute("UPDATE orders.orders SET expires_at = now() - interval '1 minute' WHERE id = %s", [order])
    sweeper, warnings = db.connect(), []
    sweeper.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
    latest = value(owner, "SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'orders.outbox_events'::regclass")
    owner.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(*latest.split("."))))
    with owner.transaction():
        owner.execute("LOCK TABLE ONLY orders.outbox_events IN SHARE UPDATE EXCLUSIVE MODE")
        assert value(sweeper, "SELECT orders.cleanup_expired_orders()") == 1

    assert warnings == ["partitions were not made (canceling statement due to lock timeout); the next run tries again"]


def test_one_of_confirming_and_cancelling_wins(db: Database) -> None:
    """Confirming and cancelling at once end in a path that there is, each step told once."""
    first, second = db.connect(), db.connect()
    order = place(first, 7, "one")["order_id"]

    at_once(
        [
            partial(outcome_of, first, "SELECT orders.confirm_order(7, %s)", order),
            partial(outcome_of, second, "SELECT orders.cancel_order(7, %s)", order),
        ]
    )

    path = [
        r["to_state"]
        for r in rows(
            first,
            "SELECT to_state FROM orders.order_status_history WHERE order_id = %s ORDER BY order_version",
            order,
        )
    ]
    assert path in (["pending", "confirmed", "cancelled"], ["pending", "cancelled"])


def test_a_look_up_by_id_touches_one_partition(db: Database, owner: Connection) -> None:
    """The key is in the order of time: of all months, an id leads to one."""
    order = place(db.connect(), 7, "one")["order_id"]

    plan = rows(owner, "EXPLAIN SELECT * FROM orders.orders WHERE id = %s", order)

    assert len([r for r in plan if "Scan" in r["QUERY PLAN"]]) == 1


def test_a_month_goes_child_first(db: Database, owner: Connection) -> None:
    """Of a month without open orders, each table's partition can be detached and dropped."""
    order = place(db.connect(), 7, "one")["order_id"]
    owner.execute("SELECT orders.cancel_order(7, %s)", [order])
    month = value(
        owner,
        "SELECT right(tableoid::regclass::text, 7) FROM orders.orders WHERE id = %s",
        order,
    )
    children = ("order_items", "order_status_history", "order_notes", "order_fulfillment", "orders")
    for table in children:
        names = {
            "parent": sql.Identifier("orders", table),
            "child": sql.Identifier("orders", f"{table}_p{month}"),
        }
        detach = sql.SQL("ALTER TABLE {parent} DETACH PARTITION {child} CONCURRENTLY")
        owner.execute(detach.format(**names))
        owner.execute(sql.SQL("DROP TABLE {child}").format(**names))

    assert value(owner, "SELECT count(*) FROM orders.orders") == 0
    assert value(owner, "SELECT sum(partitions_made) FROM ops.create_all_partitions()") >= 5
