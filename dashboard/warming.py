"""After a start, pages are drawn once for nobody, so that what they keep in memory is there when somebody comes.

Who comes meanwhile goes first: the next page is drawn ahead when nobody has come for some seconds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

from dash import Dash

from dashboard.frame import drawers
from dashboard.guests import guests_of
from dashboard.view import View, view_of
from gatewatch.errors import GatewatchError
from gatewatch.store.reading import stored_rows
from gatewatch.store.state import State

log = logging.getLogger(__name__)

WORTH = 500_000
"""Requests from which on a first visit would wait for what is not in memory yet."""

_WEEK = "?range=7d"
_SELECTED = f"{_WEEK}&sel=~~1000"
_DEAR = frozenset({"limits"})
"""Pages that look through all requests of a week: only who asks for that gets it."""

PATIENCE_S = 4.0
"""For the page that is being drawn when the server stops."""


class Warming:
    """Draws ahead in a thread of its own, which has ended before the store is closed and the interpreter goes."""

    def __init__(self, dash: Dash, opened: Callable[[], State], *, worth: int = WORTH) -> None:
        self._stop = threading.Event()
        # No daemon: the interpreter's end would take the lock from it in the middle of the database's own code.
        self._thread = threading.Thread(
            target=warmed,
            args=(dash, opened, self._stop),
            kwargs={"worth": worth},
            name="warming",
            daemon=False,
        )

    def start(self) -> None:
        if not self._stop.is_set():
            self._thread.start()

    def close(self) -> None:
        """Stop after the page that is being drawn; waits for it."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(PATIENCE_S)


def _ahead(dash: Dash) -> Iterator[tuple[Callable[[str, View], object], str]]:
    """Every page as it opens, then over a week, and what a selection of the week differs in."""
    found = drawers(dash)
    yield from ((drawn, "") for drawn in found.values())
    yield from ((drawn, _WEEK) for name, drawn in found.items() if name not in _DEAR)
    yield found["explorer"], _SELECTED


def warmed(dash: Dash, opened: Callable[[], State], stop: threading.Event, *, worth: int = WORTH) -> int:
    """Draws the pages of the navigation; how many were drawn. worth: fewer requests need nothing ahead."""
    done = 0
    try:
        if stored_rows(opened()) < worth:
            return done
        for drawn, query in _ahead(dash):
            if not guests_of(dash).gone(stop):
                break
            drawn("", view_of(query))
            done += 1
    except GatewatchError as error:
        log.info("pages are not drawn ahead", extra={"reason": str(error)})
    except Exception:  # nobody waits for it, and whoever comes gets the page's own error
        log.exception("a page that was drawn ahead failed")
    return done
