"""Whatever is done to the outbox, in whatever order, it does what a list in memory does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from order_calls import Bounded, Connection, Database, Row, claim, complete, emit, expire_lease, fail, register, rows

ATTEMPTS = 2
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("emit"), st.integers(0, 10), st.sampled_from("abc")),
        *(st.tuples(st.just(step), st.integers(0, 3), st.just("")) for step in ("claim", "complete", "fail", "expire", "stale")),
        *(st.tuples(st.just(step), st.just(0), st.just("")) for step in ("requeue", "skip")),
    ),
    min_size=15,
    max_size=40,
)
THERE = """
SELECT e.aggregateid, d.attempts, d.is_waiting, d.died_at IS NOT NULL AS is_dead, d.lease_token, FALSE AS is_letter
FROM orders.outbox_deliveries AS d INNER JOIN orders.outbox_events AS e ON e.id = d.event_id
UNION ALL
SELECT e.aggregateid, l.attempts, FALSE, FALSE, NULL, TRUE
FROM orders.outbox_dead_letters AS l INNER JOIN orders.outbox_events AS e ON e.id = l.event_id
"""


@dataclass
class Delivery:
    """What the model knows of an event that is not done."""

    number: str
    key: str
    priority: int
    place: int
    due: int
    attempts: int = 0
    lease: Row | None = None
    is_expired: bool = False
    is_dead: bool = False


@dataclass
class Model:
    """A consumer: what is open, in the order of the places, and what was given up."""

    is_strict: bool
    on_dead: str
    clock: int = 0
    queue: list[Delivery] = field(default_factory=list)
    letters: list[Delivery] = field(default_factory=list)
    stale: list[Row] = field(default_factory=list)

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def is_head(self, delivery: Delivery) -> bool:
        return not self.is_strict or delivery is next(d for d in self.queue if d.key == delivery.key)

    def claim(self, batch: int) -> list[Delivery]:
        """Take heads by priority, then age; those without an attempt left are buried on the way."""
        claimed: list[Delivery] = []
        for priority in range(11):
            free = [d for d in self.queue if d.priority == priority and not d.is_dead and (not d.lease or d.is_expired) and self.is_head(d)]
            for delivery in sorted(free, key=lambda d: (d.due, d.place))[: batch - len(claimed)]:
                self.let_go(delivery)
                if delivery.attempts == ATTEMPTS:
                    self.bury(delivery, self.on_dead)
                else:
                    delivery.attempts += 1
                    claimed.append(delivery)
        return sorted(claimed, key=lambda d: (d.priority, d.place))

    def let_go(self, delivery: Delivery) -> None:
        self.stale += [delivery.lease] if delivery.lease else []
        delivery.lease, delivery.is_expired = None, False

    def bury(self, delivery: Delivery, how: str) -> None:
        if how == "block":
            delivery.is_dead = True
        else:
            delivery.is_dead = False
            self.queue.remove(delivery)
            self.letters.append(delivery)

    def requeue(self) -> list[tuple[str, bool]]:
        """Give back what blocks where it stands, and the letters at the end of their keys."""
        now = self.tick()
        dead = [d for d in self.queue if d.is_dead]
        letters = sorted(self.letters, key=lambda d: (d.key if self.is_strict else "", d.place))
        for delivery in letters:
            delivery.place = self.tick() if self.is_strict else delivery.place
        for delivery in dead + letters:
            delivery.is_dead, delivery.attempts, delivery.due = False, 0, now
        self.letters.clear()
        self.queue = sorted(self.queue + letters, key=lambda d: d.place)
        return [(d.number, True) for d in dead] + [(d.number, not self.is_strict) for d in letters]

    def state(self) -> list[tuple[object, ...]]:
        kept = [(d.number, d.attempts, not self.is_head(d), d.is_dead, d.lease and d.lease["lease_token"], False) for d in self.queue]
        return sorted(kept + [(d.number, d.attempts, False, False, None, True) for d in self.letters])


@pytest.fixture
def db(pg_service: Callable[[str], Database]) -> Database:
    """Give an order database without seeds."""
    return Bounded(pg_service("order"))


@pytest.mark.parametrize(("event_order", "on_dead"), [("strict", "block"), ("strict", "skip"), ("none", "block")])
def test_any_sequence_of_operations_is_that_of_the_model(db: Database, event_order: str, on_dead: str) -> None:
    """Claims, completions, failures, dead workers, dead events and lost leases do what a list in memory says."""
    owner = db.connect("owner")
    kept = {"event_order": event_order, "on_dead": on_dead, "backoff_base": "1 microsecond", "backoff_cap": "1 microsecond"}

    @settings(max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(STEPS)
    def run(steps: list[tuple[str, int, str]]) -> None:
        owner.execute("SELECT orders.unregister_outbox_consumer('t')")
        register(owner, "t", maximum_attempts=ATTEMPTS, backfill_from="infinity", **kept)
        model = Model(event_order == "strict", on_dead)
        for number, step in enumerate(steps):
            take(owner, model, str(number), *step)
            assert sorted(tuple(r.values()) for r in rows(owner, THERE)) == model.state(), step

    run()


def take(owner: Connection, model: Model, number: str, step: str, choice: int, key: str) -> None:
    """Do one step to both, and compare the answers."""
    leased = [d for d in model.queue if d.lease]
    chosen = leased[choice % len(leased)] if leased else None
    match step:
        case "emit":
            emit(owner, key, int(number), choice)
            model.queue.append(Delivery(number, key, choice, model.tick(), model.tick()))
        case "claim":
            events = claim(owner, "w", choice + 1)
            deliveries = model.claim(choice + 1)
            assert [(e["aggregateid"], e["attempt"]) for e in events] == [(d.number, d.attempts) for d in deliveries]
            for event, delivery in zip(events, deliveries, strict=True):
                delivery.lease, delivery.due = event, model.tick()
        case "requeue":
            answers = rows(
                owner,
                "SELECT e.aggregateid, r.is_in_order FROM orders.requeue_dead_letters('t') AS r"
                " INNER JOIN orders.outbox_events AS e ON e.id = r.event_id",
            )
            assert sorted(tuple(a.values()) for a in answers) == sorted(model.requeue())
        case "skip":
            for row in rows(
                owner,
                "SELECT e.aggregateid, b.event_id FROM orders.blocked_partition_keys('t') AS b"
                " INNER JOIN orders.outbox_events AS e ON e.id = b.event_id LIMIT 1",
            ):
                owner.execute("SELECT orders.skip_blocked_event('t', %s)", [row["event_id"]])
                model.bury(next(d for d in model.queue if d.number == row["aggregateid"]), "skip")
        case "stale":
            for lost in model.stale[-1:]:
                assert not complete(owner, lost)
                assert fail(owner, lost) == "refused"
        case _ if chosen and chosen.lease:
            settle(owner, model, step, chosen, chosen.lease)


def settle(owner: Connection, model: Model, step: str, delivery: Delivery, lease: Row) -> None:
    """Complete, fail or let run out a lease that somebody holds."""
    if step == "complete":
        assert complete(owner, lease)
        model.queue.remove(delivery)
        model.stale.append(lease)
    elif step == "fail":
        spent = delivery.attempts == ATTEMPTS
        assert fail(owner, lease) == ({"block": "blocked", "skip": "skipped"}[model.on_dead] if spent else "retry")
        model.let_go(delivery)
        delivery.due = model.tick()
        if spent:
            model.bury(delivery, model.on_dead)
    else:
        expire_lease(owner, lease)
        delivery.is_expired, delivery.due = True, model.tick()
