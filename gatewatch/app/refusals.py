"""Who was refused, in our own log: one line for each address and kind of refusal in a minute, with how many there were.

A line for each would let strangers fill the log; none would hide who tries what they may not.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from gatewatch.access.limits import neighbours
from gatewatch.roles import Who

log = logging.getLogger(__name__)

STATUSES = frozenset({401, 403, 413, 415, 421, 429})
EVERY_S = 60.0
MOST_KEYS = 1000
MOST_LINES = 100
"""Lines in a minute, whatever comes; how many there were beyond stands in the next."""


class Refusals:
    """Use one a process, from its event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._silent: dict[tuple[str, int], int] = {}
        self._minute, self._lines, self._lost = clock(), 0, 0

    def note(self, status: int, *, address: str, path: str, method: str, who: Who | None) -> None:
        """Write a line, or count the refusal for the next one."""
        if status not in STATUSES:
            return
        now, key = self._clock(), (neighbours(address), status)
        if now - self._told.get(key, -EVERY_S) < EVERY_S:
            self._silent[key] = self._silent.get(key, 0) + 1
            return
        if now - self._minute >= EVERY_S:
            self._minute, self._lines = now, 0
        if self._lines >= MOST_LINES:
            self._lost += 1
            return
        self._lines += 1
        self._told[key] = now
        self._told.move_to_end(key)
        while len(self._told) > MOST_KEYS:
            self._silent.pop(self._told.popitem(last=False)[0], None)
        fields: dict[str, object] = {
            "status": status,
            "address": address,
            "method": method[:20],
            "path": path[:200],
            "who": who.name[:100] if who else "",
            "more_before": self._silent.pop(key, 0),
        }
        if self._lost:
            fields["lost"], self._lost = self._lost, 0
        log.warning("a request was refused", extra=fields)
