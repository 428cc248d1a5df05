"""The store, opened when first asked for: the web process lives, and says why it is not ready, without a database."""

from __future__ import annotations

import threading

from gatewatch.settings import Settings
from gatewatch.store.state import State, open_state


class Opened:
    """Call it for the open store; raises GatewatchError while it cannot be opened, and tries again when next asked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._state: State | None = None

    def __call__(self) -> State:
        state = self._state
        if state is not None:
            return state
        with self._lock:
            if self._state is None:
                self._state = open_state(self._settings)
            return self._state

    @property
    def open(self) -> State | None:
        """The store when it is open already."""
        return self._state

    def close(self) -> None:
        with self._lock:
            if self._state is not None:
                self._state.close()
                self._state = None
