"""Keeps what lines of execution logs among others said, before the batch that they came in is committed.

Cut off between the two, they come again and say the same. A request's lines may lie in two batches: what was said last
is remembered for a while, and the request is told again with all of it.
"""

from __future__ import annotations

from datetime import datetime

from gatewatch.store.executions import save_executions
from gatewatch.store.state import State
from ingest.executions import Executions

REMEMBERED_MS = 180_000
MOST = 20_000
"""Requests that are remembered: some MB."""


class Asides:
    """For one source, and one thread."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._said = Executions()

    def keep(self, new: Executions, *, source: str, now: datetime) -> int:
        """Requests of which a cause is known that was not, or was another."""
        if not new.requests:
            return 0
        self._said.add(new)
        mine = Executions(requests={key: self._said.requests[key] for key in new.requests})
        table = mine.table()
        kept = save_executions(self._state, table, source=source, now=now) if table.num_rows else 0
        self._said = self._said.after(self._said.newest - REMEMBERED_MS)
        if len(self._said.requests) > MOST:
            self._said = Executions()
        return kept
