"""Whose latencies refusals have hidden, when and for how long: what is not judged (`answered`) must not look fine.

A run is a time in which a route's minutes were unclear again and again. It is told of when most of what the route
answered in it was not judged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detect.grid import Bools, Floats, Key
from detect.model import minute_at
from detect.report import span_words
from detect.sight import HIDDEN, blind
from gatewatch.records import Blind, Kind

PARTS = 4
WIDTH = 2 * PARTS + 1
"""Of a route: first and last minute, answers that were hidden and all answers of its present run; the same of the
longest run of late; answers since the present one's last minute."""

GAP = 20
"""Minutes without anything hidden after which a run is over."""

LEAST_MINUTES, LEAST_ANSWERS, LEAST_SHARE = 5, 30.0, 0.5
"""What a run must have hidden: fewer answers would not have been judged either."""

TOLD_MINUTES = 1440
"""So long it is told of after its end."""

NAMED = 80
"""Characters of a route in a sentence."""


def follow(state: Floats, unclear: Bools, answers: Floats, first: int) -> Floats:
    """The state after some more minutes, of which first is the number since the epoch.

    state: (routes, WIDTH). unclear: nobody can tell how long they took. answers: whatever was not refused; both
    (routes, minutes).
    """
    out = state.copy()
    hid = unclear & (answers > 0)
    upto = np.cumsum(answers, axis=1)
    for row in np.flatnonzero(hid.any(axis=1)).tolist():
        run, best, since, taken = out[row, :PARTS], out[row, PARTS:-1], float(out[row, -1]), 0.0
        for at in np.flatnonzero(hid[row]).tolist():
            minute = first + at
            if run[2] and minute - run[1] > GAP:
                best[:] = _longer(best, run, minute)
                run[:] = 0.0
            if not run[2]:
                run[0], since, taken = minute, 0.0, float(upto[row, at] - answers[row, at])
            run[1] = minute
            run[2] += answers[row, at]
            run[3] += since + upto[row, at] - taken
            since, taken = 0.0, float(upto[row, at])
        out[row, -1] = upto[row, -1] - taken
    rest = np.flatnonzero(~hid.any(axis=1) & (out[:, 2] > 0))
    out[rest, -1] += upto[rest, -1]
    return out


def hidden(keys: Sequence[Key], state: Floats, now: int) -> list[Blind]:
    """The stages with a run worth telling: the worst of each stage's routes. now: the last minute that was seen."""
    told: dict[Key, list[tuple[float, str, Floats]]] = {}
    for row in np.flatnonzero(state[:, 2] + state[:, PARTS + 2] > 0).tolist():
        run, best = state[row, :PARTS], state[row, PARTS:-1]
        one = _longer(best, run, now)
        if _tells(one) and now - one[1] <= TOLD_MINUTES:
            told.setdefault(keys[row][:4], []).append((-float(one[2]), keys[row][4] or "", one))
    out = []
    for stage in sorted(told, key=lambda key: tuple(part or "" for part in key)):
        (_, route, (first, last, *_)), *others = sorted(told[stage], key=lambda found: found[:2])
        named = route[:NAMED] or "some route"
        more = f" and {len(others)} more route{'s' if len(others) > 1 else ''}" if others else ""
        span = f"for {span_words(last - first + 1)} from {minute_at(int(first)):%Y-%m-%d %H:%M} UTC"
        reason = f"{HIDDEN}refusals hid how long answers of {named}{more} took, {span}"
        out.append(blind(Kind.LATENCY_OUTLIER, stage, reason, ()))
    return out


def _tells(run: Floats) -> bool:
    minutes = run[1] - run[0] + 1
    return bool(minutes >= LEAST_MINUTES and run[2] >= LEAST_ANSWERS and run[2] >= LEAST_SHARE * run[3])


def _longer(best: Floats, run: Floats, minute: int) -> Floats:
    """The one of two runs that is to be told of."""
    if not _tells(run):
        return best.copy()
    late = minute - best[1] <= TOLD_MINUTES
    return (best if late and best[2] >= run[2] else run).copy()
