"""AWS connections with what the store knows of them: their ledger, and the budget of the settings."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from gatewatch.settings import Settings
from gatewatch.store.connections import AwsConnection
from gatewatch.store.spending import Spent, add_spent, total
from gatewatch.store.state import State
from ingest.aws.pace import Pace
from ingest.aws.session import Aws, Connection
from ingest.aws.spending import Budget, Spend, Till

FLUSH_SECONDS = 1.0
"""Spending of so long is lost when the process is killed."""


class StoredLedger:
    """The ledger in the store. Written at most once a second: a transaction for each call would be dear itself."""

    def __init__(self, state: State, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._state = state
        self._clock = clock
        self._waiting: dict[tuple[date, str, str, str, str], Spent] = {}
        self._stored: tuple[date, int, int] | None = None
        self._flushed_at = clock()
        self._lock = threading.RLock()  # sources are followed and polled by different threads

    def total(self, day: date) -> tuple[int, int]:
        """Calls and billionths of a dollar of this day: those in the store a second ago, and ours since."""
        with self._lock:
            return self._total(day)

    def _total(self, day: date) -> tuple[int, int]:
        if self._stored is None or self._stored[0] != day:
            self.flush()
            with self._state.read() as session:
                self._stored = (day, *total(session, day))
        mine = [one for one in self._waiting.values() if one.day == day]
        return self._stored[1] + sum(one.calls for one in mine), self._stored[2] + sum(one.nanos for one in mine)

    def add(self, spends: Sequence[Spend]) -> None:
        with self._lock:
            for one in spends:
                key = (one.day, one.account, one.source, one.service, one.operation)
                there = self._waiting.get(key, Spent(*key, 0, 0))
                self._waiting[key] = replace(there, calls=there.calls + one.calls, nanos=there.nanos + one.nanos)
            if self._clock() - self._flushed_at >= FLUSH_SECONDS:
                self.flush()

    def flush(self) -> None:
        """Write what waits, and forget what others may have changed meanwhile."""
        with self._lock:
            waiting, self._waiting = list(self._waiting.values()), {}
            if waiting:
                self._state.run(lambda session: add_spent(session, waiting))
            self._stored = None
            self._flushed_at = self._clock()


class Accounts:
    """Opens connections: one pace and one till for all of them."""

    def __init__(
        self,
        state: State,
        settings: Settings,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        stop: threading.Event | None = None,
    ) -> None:
        """stop: when it is set no call goes out any more (ingest.aws.pace.Ended)."""
        self.ledger = StoredLedger(state)
        self.budget = budget_of(settings)
        self._endpoint = settings.aws_endpoint_url
        self._till = Till(self.ledger, self.budget, now=now)
        self._pace = Pace(settings.aws_rates, stop=stop)
        self._open: dict[Connection, Aws] = {}
        self._lock = threading.Lock()

    def open(self, connection: AwsConnection) -> Aws:
        """The session of a connection; the same as long as nobody changes it."""
        asked = Connection(
            connection.name,
            connection.regions,
            connection.profile,
            connection.role_arn,
            connection.external_id,
            self._endpoint,
        )
        with self._lock:
            if asked not in self._open:
                self._open[asked] = Aws(asked, self._till, self._pace)
            return self._open[asked]


def budget_of(settings: Settings) -> Budget:
    return Budget(
        settings.aws_soft_dollars_per_day,
        settings.aws_hard_dollars_per_day,
        settings.aws_hard_calls_per_day,
        settings.aws_degrade_order,
    )
