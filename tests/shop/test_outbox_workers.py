"""The outbox under workers that are killed, that hang, and that come back from the dead."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg
from order_calls import DEADLINE_SECONDS, Connection, Database, claim, complete, emit, register, rows, value

pytest_plugins = ["order_fixtures"]

WORKERS, KEYS, EVENTS_OF_A_KEY, HEAD_START = 16, 24, 20, 8


@dataclass
class Seen:
    """What happened while the workers ran."""

    guard: threading.Lock = field(default_factory=threading.Lock)
    kills: int = 0
    zombies_refused: int = 0
    all_written: bool = False


def work(db: Database, seen: Seen, number: int) -> None:
    """Claim and complete until nothing is left; a killed session is opened again."""
    chance = random.Random(number)  # noqa: S311
    while True:
        with suppress(psycopg.OperationalError), db.connect("owner") as session:
            session.execute("SET application_name = 'outbox worker'")
            while not (seen.all_written and value(session, "SELECT sum(open_count) FROM orders.outbox_health()") == 0):
                for event in claim(session, f"worker {number}", 3, "1 second"):
                    if chance.random() < 0.05:
                        time.sleep(1.1)  # believed dead, and it comes back
                    finish(session, event, seen)
            return


def finish(session: Connection, event: dict[str, object], seen: Seen) -> None:
    """Do the work and complete it in one transaction, as a consumer with the same database does."""
    with session.transaction():
        if complete(session, event):
            session.execute(
                "INSERT INTO public.done (event_id, key, number) VALUES (%s, %s, %s)",
                [event["event_id"], event["partition_key"], event["aggregateid"]],
            )
            session.execute("SELECT pg_sleep(0.002)")
        else:
            with seen.guard:
                seen.zombies_refused += 1


def kill(db: Database, seen: Seen, stop: threading.Event) -> None:
    """End the session of a worker now and then, whatever it is at."""
    superuser = db.connect(None)
    chance = random.Random(0)  # noqa: S311
    while not stop.wait(chance.random() * 0.04):
        victims = (
            "SELECT count(pg_terminate_backend(v.pid)) FROM (SELECT pid FROM pg_stat_activity"
            " WHERE application_name = 'outbox worker' AND datname = current_database() ORDER BY random() LIMIT 1) AS v"
        )
        seen.kills += int(value(superuser, victims))


def write(db: Database, first_key: int) -> None:
    """Write every event of half of the keys, several keys a transaction, in the order of the keys."""
    session = db.connect("owner")
    for number in range(HEAD_START, EVENTS_OF_A_KEY):
        with session.transaction():
            for key in range(first_key, KEYS, 2):
                emit(session, f"key {key:02}", number, priority=(number * 7 + key) % 11)


def test_sixteen_workers_killed_at_random_lose_nothing_and_keep_the_order(db: Database) -> None:
    """Every event is completed once and each key in its order; who lost a lease while it hung completes nothing."""
    owner, superuser, seen, stop = db.connect("owner"), db.connect(None), Seen(), threading.Event()
    superuser.execute(
        "CREATE TABLE public.done (place bigint GENERATED ALWAYS AS IDENTITY, event_id uuid, key text, number int);"
        "GRANT ALL ON public.done TO PUBLIC"
    )
    register(owner, "t", maximum_attempts=1_000)
    for number in range(HEAD_START):
        for key in range(KEYS):
            emit(owner, f"key {key:02}", number)

    with ThreadPoolExecutor(WORKERS + 3) as pool:
        workers = [pool.submit(work, db, seen, number) for number in range(WORKERS)]
        killer = pool.submit(kill, db, seen, stop)
        try:
            for writer in [pool.submit(write, db, first) for first in (0, 1)]:
                writer.result(DEADLINE_SECONDS)
            time.sleep(1)
        finally:
            seen.all_written = True
            stop.set()
        for worker in [killer, *workers]:
            worker.result(DEADLINE_SECONDS)

    done = defaultdict(list)
    for row in rows(superuser, "SELECT key, number FROM public.done ORDER BY place"):
        done[row["key"]].append(row["number"])
    assert done == {f"key {key:02}": list(range(EVENTS_OF_A_KEY)) for key in range(KEYS)}
    assert value(superuser, "SELECT count(*) = count(DISTINCT event_id) FROM public.done")
    assert seen.kills > 10
    assert seen.zombies_refused > 0
