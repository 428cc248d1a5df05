"""What calls cost today, and when there may be no more: soft and hard caps, and who has to stop first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Protocol

from gatewatch.errors import SourceError
from ingest.aws.prices import NANO

DEGRADE_ORDER: tuple[str, ...] = ("traces", "metrics", "inventory", "changes", "logs")
"""Who stops first when the soft cap is passed; logs, from which findings are made, last."""

_SOURCE: ContextVar[str] = ContextVar("aws_source", default="other")


class CapReached(SourceError):
    """The budget of the day allows no further call."""


@dataclass(frozen=True, slots=True)
class Spend:
    """Calls of one day. nanos: their list price in billionths of a dollar. source: who of us asked."""

    day: date
    account: str
    source: str
    service: str
    operation: str
    calls: int
    nanos: int


@dataclass(frozen=True, slots=True)
class Budget:
    """Caps of a day, UTC, over all accounts. order: who stops first between the soft and the hard cap."""

    soft_dollars: float
    hard_dollars: float
    hard_calls: int
    order: tuple[str, ...] = DEGRADE_ORDER

    def paused(self, nanos: int, calls: int = 0) -> tuple[str, ...]:
        """Sources that may not call any more: one more at each equal step from the soft cap to the hard one.

        All of them when a hard cap is reached, be it of dollars or of calls.

        >>> Budget(1.0, 4.0, 10, ("traces", "metrics", "logs")).paused(int(2.5e9))
        ('traces', 'metrics')
        """
        spent = nanos / NANO
        if spent >= self.hard_dollars or calls >= self.hard_calls:
            return self.order
        if spent < self.soft_dollars:
            return ()
        step = (self.hard_dollars - self.soft_dollars) / len(self.order)
        return self.order[: 1 + int((spent - self.soft_dollars) / step)]


class Ledger(Protocol):
    """Where spending is kept."""

    def total(self, day: date) -> tuple[int, int]:
        """Calls and billionths of a dollar of all processes on this day."""
        ...

    def add(self, spends: Sequence[Spend]) -> None:
        """Add to what is there."""
        ...


class Till:
    """Lets calls through as long as the budget allows, and writes each into the ledger before it is sent."""

    def __init__(
        self, ledger: Ledger, budget: Budget, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._ledger = ledger
        self._budget = budget
        self._now = now
        self._lock = threading.Lock()

    def pay(self, account: str, service: str, operation: str, nanos: int) -> None:
        """Before a call. CapReached: it must not be made."""
        source, day = _SOURCE.get(), self._now().date()
        with self._lock:
            calls, spent = self._ledger.total(day)
            budget = self._budget
            if calls >= budget.hard_calls:
                raise CapReached(
                    f"{source}: {calls:,} AWS calls today, the cap is {budget.hard_calls:,}; "
                    "set aws_hard_calls_per_day higher or wait until 00:00 UTC"
                )
            if spent + nanos > budget.hard_dollars * NANO:
                raise CapReached(
                    f"{source}: ${spent / NANO:.4f} of AWS calls today, the hard cap is ${budget.hard_dollars:g}; "
                    "set aws_hard_dollars_per_day higher or wait until 00:00 UTC"
                )
            if source in budget.paused(spent):
                raise CapReached(
                    f"{source}: paused, ${spent / NANO:.4f} of AWS calls today are over the soft cap of "
                    f"${budget.soft_dollars:g}; set aws_soft_dollars_per_day higher or wait until 00:00 UTC"
                )
            self._ledger.add([Spend(day, account, source, service, operation, 1, nanos)])

    def add(self, account: str, service: str, operation: str, nanos: int) -> None:
        """After a call: what its answer cost in addition."""
        with self._lock:
            self._ledger.add([Spend(self._now().date(), account, _SOURCE.get(), service, operation, 0, nanos)])


class InMemory:
    """A ledger without a store: for one command, and for tests."""

    def __init__(self) -> None:
        self.spends: list[Spend] = []

    def total(self, day: date) -> tuple[int, int]:
        mine = [one for one in self.spends if one.day == day]
        return sum(one.calls for one in mine), sum(one.nanos for one in mine)

    def add(self, spends: Sequence[Spend]) -> None:
        self.spends += spends


@contextmanager
def on_behalf_of(source: str) -> Iterator[None]:
    """Calls made inside are this source's: `logs`, `metrics`, `traces`, `inventory`, `changes`."""
    token = _SOURCE.set(source)
    try:
        yield
    finally:
        _SOURCE.reset(token)
