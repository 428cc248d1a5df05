"""How fast we ask: one token bucket for each account, region and service, shared by all threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from gatewatch.errors import SourceError

RATES: Mapping[str, float] = MappingProxyType(
    {
        "apigateway": 3.0,  # 10 a second for an account, all its tools together (aws-facts.md 9)
        "apigatewayv2": 3.0,
        "logs": 1.0,  # 5 a second where it is least
        "cloudtrail": 1.0,  # 2 a second
        "config": 2.0,
        "s3": 100.0,
        "sqs": 50.0,
    }
)
"""Calls a second by service."""

OTHERS = 5.0
_SHARED = {"apigatewayv2": "apigateway"}  # one quota for both


class Ended(SourceError):
    """The process is asked to end: no call goes out any more. Nothing is wrong; the next start goes on."""


class Pace:
    """Holds calls back so that between two of one account, region and service there is always 1/rate seconds."""

    def __init__(
        self,
        rates: Mapping[str, float] = RATES,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """stop: when it is set nobody waits any more, and `wait` raises Ended."""
        self._rates = {**RATES, **rates}
        self._clock = clock
        self._stop = stop or threading.Event()
        self._sleep = sleep or self._stop.wait
        self._next: dict[tuple[str, str, str], float] = {}
        self._lock = threading.Lock()

    def wait(self, account: str, region: str, service: str) -> None:
        """Return when the next call may go out. Ended: none may."""
        service = _SHARED.get(service, service)
        gap = 1.0 / self._rates.get(service, OTHERS)
        with self._lock:
            now = self._clock()
            turn = max(self._next.get((account, region, service), now), now)
            self._next[account, region, service] = turn + gap
        if turn > now:
            self._sleep(turn - now)
        if self._stop.is_set():
            raise Ended("gatewatch is ending; the next start goes on")
