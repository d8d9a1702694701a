"""What the outbox promises to several sessions at once.

What one session can show is in tests/shop/order/outbox.sql.
"""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID

import pytest
from order_calls import (
    DEADLINE_SECONDS,
    Connection,
    Database,
    at_once,
    claim,
    complete,
    emit,
    expire_lease,
    fail,
    place,
    register,
    rows,
    value,
    wait_until_blocked,
)

pytest_plugins = ["order_fixtures"]


def test_two_workers_never_hold_one_key(db: Database, owner: Connection) -> None:
    """Of what eight workers hold at any time, no two events are of one key."""
    register(owner, "t")
    for n in range(1, 9):
        for key in range(6):
            emit(owner, f"key {key}", n)
    held: set[str] = set()
    guard = threading.Lock()

    def work(session: Connection, name: str) -> int:
        done = 0
        while value(session, "SELECT sum(open_count) FROM orders.outbox_health()"):
            events = claim(session, name, 3)
            with guard:
                assert held.isdisjoint(e["partition_key"] for e in events)
                held.update(e["partition_key"] for e in events)
            for event in events:
                with guard:
                    held.remove(event["partition_key"])
                assert complete(session, event)
                done += 1
        return done

    sessions = [db.connect() for _ in range(8)]
    counts = at_once([partial(work, s, f"w{n}") for n, s in enumerate(sessions)])

    assert sum(counts) == 48


@pytest.mark.parametrize("seed", [1, 2])
def test_order_within_a_key_survives_failures_and_dead_workers(db: Database, owner: Connection, seed: int) -> None:
    """Workers that fail and die at random complete every event once, each key in its order."""
    register(owner, "t", maximum_attempts=10_000, backoff_base="1 millisecond", backoff_cap="2 ms")
    for n in range(1, 13):
        for key in range(5):
            emit(owner, f"key {key}", n, priority=(n * 7 + key) % 11)
    completed: dict[str, list[int]] = defaultdict(list)
    guard = threading.Lock()
    chance = random.Random(seed)  # noqa: S311
    deadline = time.monotonic() + DEADLINE_SECONDS

    def work(session: Connection, hand: Connection, name: str) -> None:
        while value(session, "SELECT sum(open_count) FROM orders.outbox_health()"):
            assert time.monotonic() < deadline
            for event in claim(session, name, 3):
                with guard:
                    luck = chance.random()
                if luck < 0.2:
                    assert fail(session, event) == "retry"
                elif luck < 0.4:
                    expire_lease(hand, event)
                else:
                    # The transaction keeps the list and the completion together.
                    with guard, session.transaction():
                        if complete(session, event):
                            completed[event["partition_key"]].append(int(event["aggregateid"]))

    sessions = [(db.connect(), db.connect("owner")) for _ in range(4)]
    at_once([partial(work, s, h, f"w{n}") for n, (s, h) in enumerate(sessions)])

    assert dict(completed) == {f"key {key}": list(range(1, 13)) for key in range(5)}
    assert value(owner, "SELECT count(*) FROM orders.outbox_deliveries") == 0


def test_leases_are_told_apart_by_token(db: Database, owner: Connection) -> None:
    """Two workers of one name do not complete each other's events."""
    first, second = db.connect(), db.connect()
    register(owner, "t")
    emit(owner, "a")
    emit(owner, "b")
    mine, other = claim(first, "w", 1)[0], claim(second, "w", 1)[0]

    assert not complete(first, other | {"lease_token": mine["lease_token"]})
    assert complete(first, mine)


def test_a_worker_believed_dead_completes_nothing(db: Database, owner: Connection) -> None:
    """Whose lease went to another can neither complete, nor fail, nor extend."""
    zombie, heir = db.connect(), db.connect()
    register(owner, "t")
    emit(owner, "key")
    lost = claim(zombie, "zombie")[0]
    expire_lease(owner, lost)

    inherited = claim(heir, "heir")[0]

    assert inherited["event_id"] == lost["event_id"]
    assert inherited["attempt"] == 2
    assert not complete(zombie, lost)
    assert fail(zombie, lost) == "refused"
    assert not rows(
        zombie,
        "SELECT * FROM orders.extend_outbox_lease('t', %s, %s)",
        lost["lease_token"],
        [lost["event_id"]],
    )
    assert complete(heir, inherited)


def test_a_late_worker_whose_event_nobody_took_completes_it(db: Database, owner: Connection) -> None:
    """A lease that ran out is still its holder's until another claims."""
    worker = db.connect()
    register(owner, "t")
    emit(owner, "key")
    event = claim(worker, "late")[0]
    expire_lease(owner, event)

    assert complete(worker, event)


def test_within_a_key_the_order_is_that_of_the_commits(db: Database, owner: Connection) -> None:
    """A second writer of a key waits for the first, and only then draws its number."""
    second, observer = db.connect("owner"), db.connect("owner")
    register(owner, "t")
    with ThreadPoolExecutor() as pool:
        with owner.transaction():
            emit(owner, "key", 1)
            late = pool.submit(emit, second, "key", 2)
            wait_until_blocked(observer, second.info.backend_pid)
        late.result()

    assert [
        (r["aggregateid"], r["is_waiting"])
        for r in rows(
            owner,
            "SELECT e.aggregateid, d.is_waiting FROM orders.outbox_events AS e"
            " JOIN orders.outbox_deliveries AS d ON d.event_id = e.id ORDER BY d.key_seq",
        )
    ] == [("1", False), ("2", True)]


def test_an_event_written_while_its_elder_is_completed_is_woken(db: Database, owner: Connection) -> None:
    """Completing waits for whoever is writing behind the event, and wakes what was written."""
    worker, observer = db.connect(), db.connect("owner")
    register(owner, "t")
    emit(owner, "key", 1)
    head = claim(worker, "w")[0]
    with ThreadPoolExecutor() as pool:
        with owner.transaction():
            emit(owner, "key", 2)
            done = pool.submit(complete, worker, head)
            wait_until_blocked(observer, worker.info.backend_pid)
        assert done.result()

    assert [e["aggregateid"] for e in claim(worker, "w")] == ["2"]


def test_an_event_written_after_its_elder_went_does_not_wait(db: Database, owner: Connection) -> None:
    """Writing waits for whoever is completing the last event of the key, and finds it gone."""
    worker, observer = db.connect(), db.connect("owner")
    register(owner, "t")
    emit(owner, "key", 1)
    head = claim(worker, "w")[0]
    with ThreadPoolExecutor() as pool:
        with worker.transaction():
            assert complete(worker, head)
            written = pool.submit(emit, owner, "key", 2)
            wait_until_blocked(observer, owner.info.backend_pid)
        written.result()

    assert [e["aggregateid"] for e in claim(worker, "w")] == ["2"]


def test_claiming_passes_a_key_that_is_being_written_to(db: Database, owner: Connection) -> None:
    """An open transaction that appends to a key does not keep its head from being claimed."""
    worker = db.connect()
    register(owner, "t")
    emit(owner, "key", 1)
    with owner.transaction():
        emit(owner, "key", 2)

        assert [e["aggregateid"] for e in claim(worker, "w")] == ["1"]


def test_claiming_waits_for_no_other_worker(db: Database, owner: Connection) -> None:
    """What an open transaction has claimed is passed over, not waited for."""
    first, second = db.connect(), db.connect()
    register(owner, "t")
    emit(owner, "a", 1)
    emit(owner, "b", 2)
    with first.transaction():
        assert [e["aggregateid"] for e in claim(first, "w1", 1)] == ["1"]

        assert [e["aggregateid"] for e in claim(second, "w2")] == ["2"]


def test_a_new_consumer_gets_every_event_once(db: Database, owner: Connection) -> None:
    """Registering waits for open writers: their events are back-filled, later ones delivered."""
    registrar, observer = db.connect("ops"), db.connect("owner")
    emit(owner, "old", 1)
    with ThreadPoolExecutor() as pool:
        with owner.transaction():
            emit(owner, "open", 2)
            registered = pool.submit(register, registrar, "t")
            wait_until_blocked(observer, registrar.info.backend_pid)
        assert registered.result() == 2
    emit(owner, "new", 3)

    assert sorted(e["aggregateid"] for e in claim(db.connect(), "w")) == ["1", "2", "3"]


def test_an_event_that_can_not_be_done_blocks_its_key_alone(db: Database, owner: Connection) -> None:
    """With block, what was tried in vain stays at the head; other keys go on; no claim looks at it."""
    worker = db.connect()
    register(owner, "t", maximum_attempts=1)
    for n in range(1, 201):
        emit(owner, "poison", n, priority=0)
    emit(owner, "healthy", 1, priority=10)
    poison = claim(worker, "w", 1)[0]

    assert fail(worker, poison) == "blocked"
    assert [e["partition_key"] for e in claim(worker, "w")] == ["healthy"]
    blocked = rows(db.connect("ops"), "SELECT * FROM orders.blocked_partition_keys('t')")
    assert [(b["partition_key"], b["waiting_count"]) for b in blocked] == [("poison", 199)]
    claimable = "SELECT count(*) FROM orders.outbox_deliveries WHERE NOT is_waiting AND died_at IS NULL"
    assert value(owner, claimable) == 1


def test_placing_and_completing_at_once_deadlocks_nowhere(db: Database, owner: Connection) -> None:
    """Users order, confirm and cancel while workers claim and complete: no deadlock, nothing lost."""
    register(owner, "t")
    stop = threading.Event()
    seen: list[UUID] = []

    def order(session: Connection, user: int) -> None:
        for n in range(6):
            placed = place(session, user, str(n))["order_id"]
            session.execute("SELECT orders.confirm_order(%s, %s)", [user, placed])
            session.execute("SELECT orders.cancel_order(%s, %s)", [user, placed])

    def work(session: Connection) -> None:
        while not stop.is_set() or value(session, "SELECT sum(open_count) FROM orders.outbox_health()"):
            events = claim(session, "w", 20)
            if not events:
                continue
            answers = rows(
                session,
                "SELECT * FROM orders.complete_outbox_events('t', %s, %s)",
                events[0]["lease_token"],
                [e["event_id"] for e in events],
            )
            seen.extend(a["event_id"] for a in answers if a["is_completed"])

    with ThreadPoolExecutor() as pool:
        workers = [pool.submit(work, db.connect()) for _ in range(2)]
        try:
            at_once([partial(order, db.connect(), user) for user in range(1, 4)])
        finally:
            stop.set()
        for worker in workers:
            worker.result()

    events = {r["id"] for r in rows(owner, "SELECT id FROM orders.outbox_events")}
    assert len(seen) == len(set(seen)) == 54
    assert set(seen) == events
