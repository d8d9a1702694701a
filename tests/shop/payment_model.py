"""What the payment service should do, in plain Python: each call says the code that it expects, and does what follows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

OPEN = {"authorized", "partially_captured"}


@dataclass(slots=True)
class Payment:
    """The amounts of a payment, and how far it is."""

    currency: str
    amount: int
    state: str = "pending"
    is_lapsed: bool = False
    authorized: int = 0
    capture_pending: int = 0
    captured: int = 0
    release_pending: int = 0
    released: int = 0
    refund_pending: int = 0
    refunded: int = 0
    disputed: int = 0
    lost: int = 0
    settled: int = 0

    @property
    def left(self) -> int:
        """What can be captured yet."""
        return self.authorized - self.captured - self.capture_pending - self.released - self.release_pending

    @property
    def refundable(self) -> int:
        """What can be given back yet."""
        return self.captured - self.refunded - self.refund_pending - self.disputed - self.lost

    @property
    def unsettled(self) -> int:
        """What the provider owes, or is owed."""
        return self.captured - self.refunded - self.disputed - self.lost - self.settled

    def check_capture(self, amount: int | None) -> str | None:
        """Return the code of a refusal; None where it may be asked for."""
        if self.state not in OPEN:
            return "SH108"
        if self.is_lapsed:
            return "SH113"
        return "SH106" if (amount or 1) > self.left else None

    def check_refund(self, amount: int | None) -> str | None:
        """Return the code of a refusal; None where it may be asked for."""
        return "SH107" if (amount or 1) > self.refundable else None

    def check_void(self) -> str | None:
        """Return the code of a refusal; None where it may be asked for."""
        return "SH108" if self.state not in OPEN or self.capture_pending or self.release_pending else None

    def check_dispute(self, amount: int) -> str | None:
        """Return the code of a refusal; None where it can be recorded."""
        return "SH121" if amount > self.captured - self.disputed - self.lost else None

    def answer(self, kind: str, amount: int, granted: int | None) -> None:
        """Take the provider's answer to a request; None: it failed."""
        if kind == "authorization":
            self.state, self.authorized = ("authorized", granted) if granted else ("failed", 0)
        elif kind == "capture":
            self.capture_pending -= amount
            if granted:
                self.captured += amount
                self.state = "captured" if self.captured + self.released == self.authorized else "partially_captured"
        elif kind == "void":
            self.release_pending -= amount
            if granted:
                self.released += amount
                self.state = "captured" if self.captured else "voided"
        else:
            self.refund_pending -= amount
            self.refunded += amount if granted else 0

    def lapse(self) -> None:
        """Let the time of the authorization pass."""
        self.is_lapsed = self.is_lapsed or self.state not in {"pending", "unknown", "failed"}

    def sweep(self) -> None:
        """Give up what is left of an authorization whose time has passed, unless something is in flight."""
        if self.is_lapsed and self.state in OPEN and not self.capture_pending and not self.release_pending:
            self.released = self.authorized - self.captured
            self.state = "captured" if self.captured else "expired"

    def settle(self) -> None:
        """Let the provider pay out."""
        self.settled += self.unsettled
        self.state = "settled" if self.state == "captured" else self.state

    def books(self) -> Counter[tuple[str, str]]:
        """Return what the payment adds to the balance of each kind of account."""
        twice = self.refunded + self.lost - self.captured
        positions = {
            "clearing": self.unsettled,
            "disputes": self.disputed,
            "bank": self.settled,
            "customer": min(twice, 0),
            "losses": max(twice, 0),
        }
        return Counter({(kind, self.currency): amount for kind, amount in positions.items() if amount})


@dataclass(slots=True)
class Request:
    """Something that the provider was asked for."""

    key: str
    kind: str
    payment: int
    amount: int
    state: str = "pending"


def total(payments: list[Payment]) -> dict[tuple[str, str], int]:
    """Return the balance of each kind of account and currency; zeros are left out."""
    sums: Counter[tuple[str, str]] = Counter()
    for payment in payments:
        sums.update(payment.books())
    return {account: amount for account, amount in sums.items() if amount}
