"""Any sequence of requests ends as a model in Python says."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cart.carts import LARGEST, RULES, Answer, CartService, read, run_together, write


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a generated sequence; `retry_of` sends an earlier one again."""

    request_id: str = ""
    name: str = ""
    args: tuple[object, ...] = ()
    retry_of: int | None = None

    @property
    def content(self) -> tuple[object, ...]:
        """Return what makes two requests of one id the same; of a merge what its lines add up to, and not their JSON."""
        if self.name != "merge_carts":
            return (self.name, self.args)
        *reading, payload, currency = self.args
        lines = json.loads(str(payload))
        return (*reading, currency, len(lines), sum(q for _, q, _ in lines), sum(q * p for _, q, p in lines))


@dataclass(frozen=True, slots=True)
class Brought:
    """A line of a guest, and what of it the user's line took up."""

    quantity: int
    price: int
    currency: str
    added: int = field(default=0, compare=False)


@dataclass(slots=True)
class Model:
    """The cart as a few lines of Python."""

    version: int = 0
    currency: str = ""
    lines: dict[str, tuple[int, int]] = field(default_factory=dict)
    seen: dict[str, tuple[Request, Answer]] = field(default_factory=dict)
    brought: dict[str, tuple[int, int, dict[str, Brought]]] = field(default_factory=dict)

    def send(self, request: Request) -> Answer | str:
        """Return the answer or the error's code that the server must give."""
        if request.request_id in self.seen:
            known, answer = self.seen[request.request_id]
            return answer if known.content == request.content else "CARTREQUEST"
        lines, currency, brought = dict(self.lines), self.currency, dict(self.brought)
        outcome = getattr(self, request.name)(*request.args)
        if self.total() > LARGEST:
            outcome = "CARTTOTAL"
        if isinstance(outcome, str):
            self.lines, self.currency, self.brought = lines, currency, brought
            return outcome
        if outcome is None:
            return [*self.summary(), 0]
        self.version += 1
        if not self.lines:
            self.currency = ""
        answer = [*self.summary(), *outcome]
        self.seen[request.request_id] = (request, answer)
        return answer

    def total(self) -> int:
        """Sum the lines."""
        return sum(quantity * price for quantity, price in self.lines.values())

    def summary(self) -> Answer:
        """Return what every write answers."""
        quantity = sum(quantity for quantity, _ in self.lines.values())
        return [self.version, len(self.lines), quantity, self.currency, self.total()]

    def add_item_to_cart(self, sku: str, quantity: int, price: int, currency: str) -> str | list[int]:
        """Add to a line."""
        if not 1 <= quantity <= RULES["maximum_quantity"]:
            return "CARTQTY"
        held = self.lines[sku][0] if sku in self.lines else 0
        if held + quantity > RULES["maximum_quantity"]:
            return "CARTQTY"
        if sku not in self.lines and len(self.lines) >= RULES["maximum_lines"]:
            return "CARTFULL"
        if self.currency not in ("", currency):
            return "CARTCURRENCY"
        self.lines[sku] = (held + quantity, price)
        self.currency = currency
        return []

    def remove_item_from_cart(self, sku: str) -> str | list[int]:
        """Take a line out."""
        return [] if self.lines.pop(sku, None) else "CARTLINE"

    def update_item_quantity(self, sku: str, quantity: int, version: object) -> str | list[int]:
        """Set a line's quantity."""
        if not 1 <= quantity <= RULES["maximum_quantity"]:
            return "CARTQTY"
        if version not in ("", self.version):
            return "CARTVERSION"
        if sku not in self.lines:
            return "CARTLINE"
        self.lines[sku] = (quantity, self.lines[sku][1])
        return []

    def clear_cart(self, version: object) -> str | list[int]:
        """Take every line out."""
        if version not in ("", self.version):
            return "CARTVERSION"
        self.lines = {}
        return []

    def merge_carts(self, guest: str, since: int, version: int, payload: str, currency: str) -> str | list[int] | None:
        """Put the guest's lines in the place of what the guest brought before."""
        lines = {sku: Brought(quantity, price, currency) for sku, quantity, price in json.loads(payload)}
        known_since, known_version, known = self.brought.get(guest, (-1, -1, {}))
        if (since, version) < (known_since, known_version):
            return "CARTVERSION"
        earlier = known if since == known_since else {}
        changed = [sku for sku in {**earlier, **lines} if earlier.get(sku) != lines.get(sku)]
        before, capped = len(self.lines), 0
        if not changed and not lines:
            return None
        for sku in changed:
            if sku in self.lines:
                held, price = self.lines.pop(sku)
                own = held - (earlier[sku].added if sku in earlier else 0)
                self.lines |= {sku: (own, price)} if own > 0 else {}
        if not self.lines:
            self.currency = ""
        for sku in changed:
            if sku in lines:
                own = self.lines[sku][0] if sku in self.lines else 0
                held = min(own + lines[sku].quantity, RULES["maximum_quantity"])
                capped += held < own + lines[sku].quantity
                self.lines[sku] = (held, lines[sku].price)
                lines[sku] = replace(lines[sku], added=held - own)
        if len(self.lines) > RULES["maximum_lines"] and len(self.lines) > before:
            return "CARTFULL"
        if lines and self.currency not in ("", currency):
            return "CARTCURRENCY"
        self.currency = currency if lines else self.currency
        unchanged = {sku: earlier[sku] for sku in lines if sku not in changed}
        self.brought[guest] = (since, version, {**lines, **unchanged})
        return [capped]


few_skus = st.integers(0, 2).map("SKU-{}".format)
many_skus = st.integers(0, 69).map("SKU-{}".format)
skus = few_skus | many_skus
quantities = st.integers(1, 40) | st.integers(0, RULES["maximum_quantity"] + 1)
prices = st.integers(0, 10**6) | st.sampled_from([LARGEST, LARGEST // 99])
currencies = st.sampled_from(["USD"] * 19 + ["KWD"])
versions: st.SearchStrategy[object] = st.sampled_from([""] * 30 + list(range(40)))
items = st.tuples(skus, st.integers(1, RULES["maximum_quantity"]), st.integers(0, 10**6))
crowd = st.lists(many_skus, min_size=25, max_size=50, unique=True).map(lambda names: [(name, 1, 100) for name in names])
payloads = (st.lists(items, max_size=5, unique_by=lambda item: item[0]) | crowd).map(json.dumps)
readings = st.tuples(st.sampled_from(["g-7", "g-8"]), st.integers(1, 2), st.integers(1, 30))
# Empty: an id of its own. Else one that others have too.
request_ids = st.sampled_from([""] * 9 + ["shared-1", "shared-2"])
adding = st.builds(
    Request,
    request_ids,
    st.just("add_item_to_cart"),
    st.tuples(skus, quantities, prices, currencies),
)
removing = st.builds(Request, request_ids, st.just("remove_item_from_cart"), st.tuples(few_skus))
updating = st.builds(
    Request,
    request_ids,
    st.just("update_item_quantity"),
    st.tuples(few_skus, quantities, versions),
)
merging = st.builds(
    lambda reading, payload, currency: Request("merge:{}:{}:{}".format(*reading), "merge_carts", (*reading, payload, currency)),
    readings,
    payloads,
    currencies,
)
clearing = st.builds(Request, request_ids, st.just("clear_cart"), st.tuples(versions))
retrying = st.builds(Request, retry_of=st.integers(0, 40))
requests = st.one_of(adding, adding, adding, adding, removing, updating, updating, merging, clearing, retrying)


def as_sent(drawn: list[Request]) -> list[Request]:
    """Give each request its id, and put the earlier request where one is retried."""
    sent: list[Request] = []
    for number, request in enumerate(drawn):
        if request.retry_of is None:
            sent.append(replace(request, request_id=request.request_id or f"r{number}"))
        elif sent:
            sent.append(sent[request.retry_of % len(sent)])
    return sent


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(sequence=st.lists(requests, min_size=15, max_size=40).map(as_sent))
def test_any_sequence_of_requests_ends_as_the_model_says(cart: CartService, sequence: list[Request]) -> None:
    """Retries and duplicates included, totals equal the lines and no limit is passed."""
    cart.client.flushdb()
    model = Model()
    for request in sequence:
        expected = model.send(request)

        try:
            named = () if request.name == "merge_carts" else (request.request_id,)
            found: Answer | str = write(cart, request.name, *named, *request.args)
        except redis.ResponseError as error:
            found = str(error).split(" ", 1)[0]

        assert found == expected
        version, lines, quantity, currency, total, _, items, _ = read(cart)
        assert [version, lines, quantity, currency, total] == model.summary()
        assert {sku: (held, price) for sku, held, price in items} == model.lines
        assert total == sum(held * price for _, held, price in items)
        assert stored_totals(cart) == [lines, quantity, total]
        assert lines == len(items) <= RULES["maximum_lines"]
        assert all(1 <= held <= RULES["maximum_quantity"] for _, held, _ in items)


def stored_totals(cart: CartService) -> list[int]:
    """Return what the last write left: the next one goes on from there."""
    found: list[str | None] = cart.client.hmget("cart:{42}", ["lines", "quantity", "total"])  # type: ignore[assignment]
    return [int(value or 0) for value in found]


alone = st.one_of(adding, adding, adding, removing, updating, clearing)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(clients=st.lists(st.lists(alone, min_size=3, max_size=8), min_size=4, max_size=4))
def test_many_clients_at_once_end_as_the_model_says_in_the_order_of_versions(cart: CartService, clients: list[list[Request]]) -> None:
    """Each request is sent by two threads, as a retry that overtakes: it is applied once, and the versions leave no gap."""
    cart.client.flushdb()
    sent = [[replace(request, request_id=f"c{client}-{n}") for n, request in enumerate(drawn)] for client, drawn in enumerate(clients)]
    applied: list[tuple[Request, Answer]] = []

    def work(number: int) -> None:
        for request in sent[number // 2]:
            try:
                applied.append((request, write(cart, request.name, request.request_id, *request.args)))
            except redis.ResponseError:
                continue  # it may be applied yet, by the other thread

    run_together(2 * len(sent), work)

    answers = {request.request_id: (request, answer) for request, answer in applied}
    assert all(answers[request.request_id][1] == answer for request, answer in applied)
    in_order = sorted(answers.values(), key=lambda pair: int(pair[1][0]))
    assert [answer[0] for _, answer in in_order] == list(range(1, len(in_order) + 1))
    model = Model()
    for request, answer in in_order:
        assert model.send(request) == answer
    found = read(cart)
    assert found[:5] == model.summary()
    assert {sku: (held, price) for sku, held, price in found[6]} == model.lines
