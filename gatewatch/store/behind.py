"""The raw requests behind a finding."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa

from gatewatch.records import Finding, Kind
from gatewatch.store.reading import read_requests
from gatewatch.store.state import State

_REFUSALS = frozenset({Kind.AUTH_FAILURE_SPIKE, Kind.THROTTLING_ABUSE})


def requests_behind(state: State, finding: Finding, *, limit: int = 200) -> pa.Table:
    """Requests of the finding's scope and time, newest first: only refused ones where refusals are the matter."""
    until = None if finding.end is None else finding.end + timedelta(minutes=1)
    return read_requests(
        state,
        since=finding.start,
        until=until,
        api=finding.api,
        stage=finding.stage,
        route=finding.route,
        status_min=400 if finding.kind in _REFUSALS else None,
        limit=limit,
    )
