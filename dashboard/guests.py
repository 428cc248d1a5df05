"""When somebody last came: what is done for nobody waits until those who are here have their pages."""

from __future__ import annotations

import threading
from time import monotonic

from dash import Dash

REST_S = 3.0
"""A page takes a browser so long from its address to its data."""

_LOOK_S = 0.1


class Guests:
    """One for a dashboard; any thread may tell it that somebody came."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def came(self) -> None:
        self._last = monotonic()

    def gone(self, stop: threading.Event, rest_s: float = REST_S) -> bool:
        """Waits until nobody came for so long; False when it was told to stop before."""
        while not stop.is_set() and monotonic() - self._last < rest_s:
            stop.wait(_LOOK_S)
        return not stop.is_set()


def guests_of(dash: Dash) -> Guests:
    found: Guests = vars(dash).setdefault("gatewatch_guests", Guests())
    return found
