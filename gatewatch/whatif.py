"""What a limit would have refused: token buckets and sliding windows, replayed on the times of calls.

API Gateway's throttle is a token bucket: `rate` tokens a second flow in, `burst` is what it holds, a call takes one,
and one that finds none is refused. A WAF rate rule counts what came from an address in its window, blocked
calls too. Both of AWS are best effort and spread over many machines; these here are exact.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

SECOND_US = 1_000_000


def bucket_refuses(at_us: Ints, rate: float, burst: int) -> Mask:
    """Which calls a bucket refuses that is full at the first of them. at_us: ascending, in microseconds.

    >>> bucket_refuses(np.array([0, 0, 0, 1_000_000]), 1, 2).tolist()
    [False, False, True, False]
    """
    refused = np.ones(len(at_us), dtype=np.bool_)
    full = float(burst)
    if len(at_us) == 0 or full < 1:
        return refused
    flow = rate / SECOND_US
    refused[:] = False
    for begin, end in _lacking(at_us, flow, full):
        refused[begin + _refuses(at_us[begin:end], flow, full)] = True
    return refused


def _lacking(at_us: Ints, flow: float, full: float) -> list[tuple[int, int]]:
    """Stretches [begin, end) of calls, each begun with a full bucket, in which some are refused; in no other is any.

    Found by what would be taken out if nobody ever was refused: at its new lowest points the bucket is full.
    """
    taken = np.cumsum(1 - flow * np.diff(at_us, prepend=at_us[0]))
    above = taken - np.minimum.accumulate(taken)
    begins = np.flatnonzero(above == 0)
    most = np.maximum.reduceat(above, begins) + 1
    ends = np.append(begins[1:], len(at_us))
    short = np.flatnonzero(most > full - 1e-3)
    return list(zip(begins[short].tolist(), ends[short].tolist(), strict=True))


def _refuses(at_us: Ints, flow: float, full: float) -> Ints:
    """The places of the calls that are refused, one call after the other."""
    tokens, last = full, int(at_us[0])
    refused = []
    for place, at in enumerate(at_us.tolist()):
        tokens += flow * (at - last)
        if tokens > full:
            tokens = full
        last = at
        if tokens >= 1:
            tokens -= 1
        else:
            refused.append(place)
    return np.array(refused, dtype=np.int64)


def window_refuses(at_us: Ints, limit: int, window_s: int) -> Mask:
    """Which calls come when more than `limit`, themselves included, came in the last `window_s` seconds.

    >>> window_refuses(np.array([0, 1, 2, 61_000_000]), 2, 60).tolist()
    [False, False, True, False]
    """
    before = np.searchsorted(at_us, at_us - window_s * SECOND_US, side="right")
    mask: Mask = np.arange(1, len(at_us) + 1) - before > limit
    return mask


def for_each(groups: Ints, at_us: Ints, refuses: Callable[[Ints], Mask]) -> Mask:
    """The same limit for each group (a caller, a route) by itself. groups: of each call, from 0 on."""
    out = np.zeros(len(at_us), dtype=np.bool_)
    order = np.argsort(groups, kind="stable")
    ends = np.cumsum(np.bincount(groups)) if len(groups) else np.empty(0, dtype=np.int64)
    begin = 0
    for end in ends.tolist():
        mine = order[begin:end]
        out[mine] = refuses(at_us[mine])
        begin = end
    return out
