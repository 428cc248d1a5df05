"""Latencies of requests that somebody worked on: what was refused at the door says nothing of a back end.

A rollup's histogram holds all requests of a route's minute. Those that the gateway refused by itself are its fastest
values, and are left out. An authorizer that refuses takes its own time, so where most were refused nobody can tell.
"""

from __future__ import annotations

import numpy as np

from detect.grid import Grid, Ints
from gatewatch.frames import cause_column

AT_THE_DOOR: tuple[str, ...] = (
    "missing_credential", "malformed_credential", "bad_signature", "unknown_key", "disabled_key", "policy_deny",
    "mtls_failure", "waf_block", "throttle", "quota",
)  # fmt: skip
"""Refused within milliseconds, without asking an authorizer."""

BY_AUTHORIZER: tuple[str, ...] = (
    "expired_credential", "wrong_scope", "authorizer_deny", "authorizer_error", "authorizer_timeout",
)  # fmt: skip

MOST_REFUSED = 0.5
"""Share of a minute's requests; beyond it no latency of the minute counts."""


def worked_on(grid: Grid, values: tuple[Ints, Ints, Ints, Ints]) -> tuple[Ints, Ints, Ints, Ints]:
    """Of a histogram of the grid (series, minute, bin, count; sorted so) what is left without refusals."""
    series, minute, place, count = values
    if not len(count):
        return values
    door = grid.counts(*(cause_column(cause) for cause in AT_THE_DOOR)).ravel()
    refused = door + grid.counts(*(cause_column(cause) for cause in BY_AUTHORIZER)).ravel()
    if not refused.any():
        return values
    n = grid.counts("n").ravel()
    cell = series * grid.minutes + minute
    total = np.bincount(cell, weights=count, minlength=len(n))
    # Of those refused only what has a latency at all: where an integration's stands for it, they have none.
    fastest = np.clip(total - (n - door), 0.0, door)
    fastest[refused > MOST_REFUSED * n] = np.inf
    upto = np.cumsum(count)
    begins = np.flatnonzero(np.diff(cell, prepend=-1))
    before = np.repeat((upto - count)[begins], np.diff(begins, append=len(cell)))
    upto = upto - before
    left = np.maximum(upto - fastest[cell], 0) - np.maximum(upto - count - fastest[cell], 0)
    kept = left > 0
    return series[kept], minute[kept], place[kept], left[kept].astype(np.int64)
