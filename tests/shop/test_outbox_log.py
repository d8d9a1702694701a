"""Nobody who comes late to the outbox misses an event: new consumers, readers with a cursor, who drops a month."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from order_calls import (
    DEADLINE_SECONDS,
    Connection,
    Database,
    at_once,
    claim,
    emit,
    fail,
    outcome_of,
    register,
    rows,
    value,
    wait_until_blocked,
)

pytest_plugins = ["order_fixtures"]


class Reader:
    """A reader that keeps a cursor."""

    def __init__(self, session: Connection) -> None:
        self.session = session
        self.cursor: tuple[object, ...] = (0, "0", 0)
        self.read: list[str] = []

    def poll(self) -> None:
        for event in rows(self.session, "SELECT * FROM orders.read_outbox_log(%s, %s::text::xid8, %s, 7)", *self.cursor):
            self.read.append(event["aggregateid"])
            self.cursor = (event["epoch"], str(event["xid"]), event["key_seq"])


def test_the_log_gives_what_commits_late_once(db: Database, owner: Connection) -> None:
    """Beside fast writers, slow ones, one that rolls back and a prepared transaction, a reader gets every committed event once."""
    reader, superuser = Reader(db.connect()), db.connect(None)

    def write(session: Connection, first: int) -> None:
        for number in range(first, first + 20):
            with session.transaction(force_rollback=number % 7 == 0):
                emit(session, f"key {number % 3}", number)
                session.execute("SELECT pg_sleep(%s)", [0.02 if number % 5 == 0 else 0])

    with ThreadPoolExecutor() as pool:
        writers = [pool.submit(write, db.connect("owner"), first) for first in (0, 100, 200)]
        while not all(w.done() for w in writers):
            reader.poll()
        for writer in writers:
            writer.result()
    superuser.execute("BEGIN")
    emit(superuser, "prepared", 1_000)
    superuser.execute("PREPARE TRANSACTION 'slow'")
    emit(owner, "after it", 1_001)
    for _ in range(20):
        reader.poll()
    assert not {"1000", "1001"} & set(reader.read)
    superuser.execute("COMMIT PREPARED 'slow'")
    written = {r["aggregateid"] for r in rows(owner, "SELECT aggregateid FROM orders.outbox_events")}
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(reader.read) < len(written):
        assert time.monotonic() < deadline, "an open transaction somewhere in the cluster?"
        reader.poll()

    assert len(written) == 53
    assert Counter(reader.read) == Counter(written)


def test_a_new_consumer_beside_running_producers_gets_every_event_once(db: Database, owner: Connection) -> None:
    """Registered in the middle of four producers, a consumer has one delivery of each event, and each key in its order."""
    stop = threading.Event()

    def produce(session: Connection, key: str) -> int:
        number = 0
        while not stop.is_set():
            with session.transaction():
                emit(session, key, number)
                emit(session, f"{key} too", number)
            number += 1
        return number

    with ThreadPoolExecutor() as pool:
        producers = [pool.submit(produce, db.connect("owner"), f"key {n}") for n in range(4)]
        time.sleep(0.3)
        backfilled = register(db.connect("ops"), "t")
        time.sleep(0.3)
        stop.set()
        numbers = [p.result() for p in producers]

    assert 0 < backfilled < 2 * sum(numbers)
    assert value(owner, "SELECT count(*) FROM orders.outbox_deliveries") == 2 * sum(numbers)
    orphans = (
        "SELECT count(*) FROM orders.outbox_events AS e WHERE NOT EXISTS"
        " (SELECT FROM orders.outbox_deliveries AS d WHERE d.event_id = e.id AND d.key_seq = e.key_seq)"
    )
    assert value(owner, orphans) == 0
    heads = (
        "SELECT array_agg(key_seq) FILTER (WHERE NOT is_waiting) = ARRAY[min(key_seq)] AS is_head"
        " FROM orders.outbox_deliveries GROUP BY partition_key"
    )
    assert {r["is_head"] for r in rows(owner, heads)} == {True}


@pytest.mark.parametrize("on_dead", ["block", "skip"])
def test_dead_events_that_two_requeue_at_once_come_back_once(db: Database, owner: Connection, on_dead: str) -> None:
    """Two operators requeue the same events: each comes back once, and is told to one of them."""
    register(owner, "t", on_dead=on_dead, maximum_attempts=1)
    for number in range(20):
        emit(owner, f"key {number}", number)
    worker = db.connect()
    for event in claim(worker, "w"):
        fail(worker, event)
    operators = [db.connect("ops") for _ in range(2)]

    answers = at_once([partial(rows, o, "SELECT * FROM orders.requeue_dead_letters('t')") for o in operators])

    assert len({r["event_id"] for answer in answers for r in answer}) == sum(map(len, answers)) == 20
    assert {r["is_in_order"] for answer in answers for r in answer} == {on_dead == "block"}
    assert sorted(int(e["aggregateid"]) for e in claim(worker, "w")) == list(range(20))


def test_a_dead_letter_that_another_requeues_meanwhile_comes_back_once(db: Database, owner: Connection) -> None:
    """The second waits for the first, and is told of nothing."""
    register(owner, "t", on_dead="skip", maximum_attempts=1)
    emit(owner, "key", 1)
    worker = db.connect()
    fail(worker, claim(worker, "w")[0])
    first, second = db.connect("ops"), db.connect("ops")
    requeue = partial(rows, query="SELECT * FROM orders.requeue_dead_letters('t')")

    with ThreadPoolExecutor() as pool:
        with first.transaction():
            assert len(requeue(first)) == 1
            late = pool.submit(requeue, second)
            wait_until_blocked(owner, second.info.backend_pid)
        assert late.result() == []

    assert [e["aggregateid"] for e in claim(worker, "w")] == ["1"]


def test_a_month_into_which_a_delivery_points_is_not_released(db: Database, owner: Connection) -> None:
    """A month of events may go once no delivery and no dead letter is of it."""
    register(owner, "t", on_dead="skip", maximum_attempts=1)
    emit(owner, "key", 1)
    release = "SELECT orders.release_outbox_month(now() - interval '1 day', now() + interval '1 day')"

    assert outcome_of(owner, release) == "SH406"
    owner.execute("UPDATE orders.outbox_deliveries SET died_at = now()")
    owner.execute("SELECT orders.skip_blocked_event('t', event_id) FROM orders.outbox_deliveries")
    assert outcome_of(owner, release) == "SH406"
    owner.execute("DELETE FROM orders.outbox_dead_letters")
    assert outcome_of(owner, release) == "00000"
