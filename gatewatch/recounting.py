"""The stored minutes as detectors judge them: with the causes that execution logs name, whichever came first.

Worked out when they are read, so that nothing has to be kept in step; the charts show what the access logs told.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.frames.executions import refined
from gatewatch.frames.recount import moved, recounted_clients, recounted_minutes
from gatewatch.frames.schema import REQUESTS
from gatewatch.store.executions import read_executions
from gatewatch.store.manifest import has_segments
from gatewatch.store.reading import asked, between, read_clients, read_minutes
from gatewatch.store.state import State

_NEAR = timedelta(minutes=2)
MOST = 200_000
"""Requests of unknown cause that are looked at for one answer, as many as execution logs are asked for."""

_UNKNOWN = (
    "status >= 400 AND (reject_cause = 'unknown' "
    "OR (reject_cause = 'throttle' AND coalesce(throttle_scope, 'unknown') = 'unknown'))"
)


def judged(
    state: State, since: datetime, until: datetime, *, api: str | None = None, stage: str | None = None
) -> tuple[pa.Table, pa.Table]:
    """MINUTES and CLIENTS rows of [since, until), not merged."""
    minutes = read_minutes(state, since, until, api=api, stage=stage)
    clients = read_clients(state, since, until, api=api, stage=stage)
    found = _moved(state, since, until)
    if found is None:
        return minutes, clients
    before, after = (_of(table, api, stage) for table in found)
    return recounted_minutes(minutes, before, after), recounted_clients(clients, before, after)


def _moved(state: State, since: datetime, until: datetime) -> tuple[pa.Table, pa.Table] | None:
    """Requests that execution logs tell more of: as they were counted, and as they were; None: there are none."""
    with state.read() as session:
        if not has_segments(session, "executions"):
            return None
    executions = read_executions(state, since - _NEAR, until + _NEAR)
    if not executions.num_rows:
        return None
    condition, values = between("at", since, until)
    query = f"SELECT * FROM ({{rows}}) WHERE {_UNKNOWN} AND {condition} LIMIT {MOST:d}"
    requests = asked(state, "requests", REQUESTS, query, values, since, until).cast(REQUESTS)
    found = moved(requests, refined(requests, executions))
    return found if found[0].num_rows else None


def _of(table: pa.Table, api: str | None, stage: str | None) -> pa.Table:
    for name, value in (("api", api), ("stage", stage)):
        if value is not None:
            table = table.filter(pc.equal(table.column(name), value))
    return table
