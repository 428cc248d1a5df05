"""One request of EVERY, of whole segments, in memory: enough where millions of requests are compared by a sample.

Which rows of a segment these are, a hash of their place tells, as it does for whoever reads the segment itself: one of
128 is one of these, too. Texts that only one request has are left out.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import pyarrow as pa

from gatewatch.frames import REQUESTS
from gatewatch.store.lake import Segment
from gatewatch.store.parts import Parts, apart
from gatewatch.store.reading import of_segments
from gatewatch.store.state import State
from gatewatch.where import Term

EVERY = 64
KEPT = Parts(most=96 << 20)
"""Of this process. Paths are never used twice."""

_LEFT_OUT = frozenset(
    {"request_id", "extended_request_id", "trace_id", "connection_id", "extra", "delivered_at", "batch"}
)
_COLUMNS = pa.schema([field for field in REQUESTS if field.name not in _LEFT_OUT])
_AT_ONCE = 64
_ONE_AT_A_TIME = threading.Lock()
"""Two pages that need the same do not both read it."""


def of_every(step: int) -> str:
    """The condition that takes one row of `step`, a power of two, by `row_place`."""
    return f"hash(row_place) & {step - 1:d} = 0"


def knows(step: int, terms: Iterable[Term]) -> bool:
    """Whether `sampled` holds the rows that `of_every(step)` takes, and all that the terms ask for."""
    return step % EVERY == 0 and not any(term.field in _LEFT_OUT for term in terms)


def sampled(state: State, listed: Sequence[Segment]) -> pa.Table:
    """The sample of these segments: most columns of REQUESTS, and `row_place`."""
    shape = f"{state.lake.root}\0sample"
    by_path = {one.path: one for one in listed}
    with _ONE_AT_A_TIME:
        found, missing = KEPT.get(shape, list(by_path))
        for begin in range(0, len(missing), _AT_ONCE):
            some = [by_path[path] for path in missing[begin : begin + _AT_ONCE]]
            query = f"SELECT * FROM ({{rows}}) WHERE {of_every(EVERY)}"
            rows = of_segments(state, some, _COLUMNS, query, {}, named=True, numbered=True)
            made = apart(rows, some)
            KEPT.put(shape, made)
            found += made.values()
    return pa.concat_tables(found)
