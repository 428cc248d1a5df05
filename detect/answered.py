"""Latencies of requests that somebody worked on: what was refused at the door says nothing of a back end.

A rollup's histogram holds all requests of a route's minute. Those that the gateway refused by itself are its fastest
values, and are left out; where these were most, so is the minute. An authorizer that refuses takes its own time, which
may be more or less than a back end's: where it refuses more than it usually does, nobody can tell (`unclear`).
"""

from __future__ import annotations

import numpy as np

from detect.grid import Bools, Floats, Grid, Ints
from gatewatch.frames import cause_column

AT_THE_DOOR: tuple[str, ...] = (
    "missing_credential", "bad_signature", "unknown_key", "disabled_key", "policy_deny",
    "mtls_failure", "waf_block", "throttle", "quota",
)  # fmt: skip
"""Refused within milliseconds, without asking an authorizer."""

BY_AUTHORIZER: tuple[str, ...] = (
    "malformed_credential", "expired_credential", "wrong_scope", "authorizer_deny", "authorizer_error",
    "authorizer_timeout",
)  # fmt: skip

MOST_REFUSED = 0.5
"""Share of a minute's requests at the door; beyond it no latency of the minute counts."""

MORE_DENIED, LEAST_DENIED = 2.0, 0.15
"""Times a route's usual share, and the share at least, from which what an authorizer refused hides the others. So many
that all are slow raise the mean rank by half as much: below the smallest shift that is worth a word (slowness.py)."""


def worked_on(grid: Grid, values: tuple[Ints, Ints, Ints, Ints]) -> tuple[Ints, Ints, Ints, Ints]:
    """Of a histogram of the grid (series, minute, bin, count; sorted so) what is left without refusals."""
    series, minute, place, count = values
    if not len(count):
        return values
    door = at_the_door(grid).ravel()
    if not door.any():
        return values
    n = grid.counts("n").ravel()
    cell = series * grid.minutes + minute
    total = np.bincount(cell, weights=count, minlength=len(n))
    # Of those refused only what has a latency at all: where an integration's stands for it, they have none.
    fastest = np.clip(total - (n - door), 0.0, door)
    fastest[mostly_refused(door, n)] = np.inf
    upto = np.cumsum(count)
    begins = np.flatnonzero(np.diff(cell, prepend=-1))
    before = np.repeat((upto - count)[begins], np.diff(begins, append=len(cell)))
    upto = upto - before
    left = np.maximum(upto - fastest[cell], 0) - np.maximum(upto - count - fastest[cell], 0)
    kept = left > 0
    return series[kept], minute[kept], place[kept], left[kept].astype(np.int64)


def at_the_door(grid: Grid) -> Floats:
    """Requests that the gateway refused by itself: (series, minutes)."""
    return grid.counts(*(cause_column(cause) for cause in AT_THE_DOOR))


def mostly_refused(door: Floats, calls: Floats) -> Bools:
    """Where so many were refused at the door that no latency counts."""
    return door > MOST_REFUSED * calls


def denied(grid: Grid) -> Floats:
    """Requests that an authorizer refused, or failed on: (series, minutes)."""
    return grid.counts(*(cause_column(cause) for cause in BY_AUTHORIZER))


def unclear(denied: Floats, calls: Floats, usual: Floats) -> Bools:
    """In which minutes of which routes such refusals hide how long the others took. usual: their share, by route."""
    return denied > np.maximum(LEAST_DENIED, MORE_DENIED * usual)[:, None] * calls
