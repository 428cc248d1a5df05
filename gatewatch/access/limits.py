"""How often somebody may ask: a bucket of tokens for each, and growing waits for those who guess keys.

Kept in the memory of the process: what is counted here is a flood, or a guess at 256 random bits. Guesses at passwords
are counted in the store (gatewatch/store/guesses.py), for all processes together.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

MOST_KEYS = 20_000
"""How many are remembered, so that nobody fills the memory with addresses; the longest unseen is forgotten first."""


def neighbours(address: str) -> str:
    """Whom an address is counted with: an IPv6 host has a /64 network of addresses, and is counted as one.

    >>> neighbours("2001:db8:1:2:3::9"), neighbours("203.0.113.7")
    ('2001:db8:1:2::/64', '203.0.113.7')
    """
    try:
        one = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return address if one.version == 4 else str(ipaddress.ip_network((one, 64), strict=False))


class Buckets:
    """`per_second` requests a key in the long run, `burst` at once."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now: float) -> float:
        """0 when one more is allowed, else seconds to wait. now: any clock that only grows."""
        left, at = self._left.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_second)
        wait = 0.0 if left >= 1 else (1 - left) / self._per_second
        self._left[key] = (left if wait else left - 1, now)
        if len(self._left) > MOST_KEYS:
            self._left.popitem(last=False)
        return wait


@dataclass(slots=True)
class _Failures:
    n: int
    last: float
    until: float


class Backoff:
    """After `free` failures a key must wait, each time twice as long, up to `longest` seconds."""

    def __init__(self, *, free: int = 5, first: float = 15.0, longest: float = 900.0) -> None:
        self._free = free
        self._first = first
        self._longest = longest
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Seconds until the key may try again; 0: now."""
        failures = self._failures.get(key)
        return 0.0 if failures is None else max(0.0, failures.until - now)

    def failed(self, key: str, now: float) -> None:
        failures = self._failures.pop(key, None) or _Failures(0, now, now)
        if now - failures.last > 4 * self._longest:  # long ago
            failures.n = 0
        failures.n += 1
        failures.last = now
        if failures.n >= self._free:
            failures.until = now + min(self._longest, self._first * 2.0 ** min(failures.n - self._free, 20))
        self._failures[key] = failures
        if len(self._failures) > MOST_KEYS:
            self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        self._failures.pop(key, None)
