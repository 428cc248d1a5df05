"""Sums of latency scores over trailing windows, of routes and of whole stages, without routes whose answers grew.

Scores are whole multiples of a power of two, so sums are exact in any order: those of a stage are running sums of
their own, from which the few minutes of routes that do not count are taken out again.
"""

from __future__ import annotations

import numpy as np

from detect.grid import Floats, Ints
from detect.slowstate import DUE, RING, SCORES, Slowness
from detect.tape import Running

LONGEST = 240
"""Minutes of the longest window."""

GROWN, SIZE_NOISE = 0.04, 1.6
"""Rise of the log answer size from which larger answers explain slower ones, when it is no less than the body score's
and twice what chance gives (sizes of single answers stray by 0.8 or so)."""

_SUMMED = (*SCORES, *DUE)
assert RING[: len(_SUMMED) + 2] == (*_SUMMED, "grown", "sized")
assert _SUMMED[:2] == ("n", "body")


class Windows:
    """Sums over the windows that end in the last `take` minutes of a state's ring, which are new."""

    def __init__(self, state: Slowness, take: int) -> None:
        self._state, self._take = state, take
        if state.sums is None:
            before = state.ring.last(take + LONGEST)[: len(_SUMMED) + 2, :, :-take]
            state.sums = Running(before), Running(state.pooled(before[: len(_SUMMED)]))
        new = state.ring.last(take)[: len(_SUMMED) + 2]
        for one, values in zip(state.sums, (new, state.pooled(new[: len(_SUMMED)])), strict=True):
            one.add(values)
        self._own, self._pool = (one.last(take + LONGEST) for one in state.sums)
        self._n: Floats = np.zeros((0, 0))

    def sums(self, length: int) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """Sums of each score over a window: of the stages and of the routes, (series, minutes)."""
        state, take = self._state, self._take
        own, pool = self._trailing(self._own, length), self._trailing(self._pool, length)
        cell = self._grown(own)
        if len(cell):
            row, at = cell // take, cell % take
            place, size = state.stage_of[row] * take + at, pool[0].size
            for line, values in zip(pool, own[: len(_SUMMED), row, at], strict=True):
                line -= np.bincount(place, weights=values, minlength=size).reshape(line.shape)
            own[: len(_SUMMED), row, at] = 0.0
        self._n = own[0]
        return dict(zip(_SUMMED, pool, strict=True)), dict(zip(_SUMMED, own, strict=False))

    def variance(self) -> Floats:
        """Variance of the sum of body scores over the window that was asked for last: (stages, minutes)."""
        found: Floats = self._state.pooled((self._n * self._state.variance[:, None])[None])[0]
        return found

    def _trailing(self, running: Floats, length: int) -> Floats:
        sums: Floats = running[:, :, LONGEST:] - running[:, :, LONGEST - length : LONGEST - length + self._take]
        return sums

    def _grown(self, own: Floats) -> Ints:
        """Cells (of routes × minutes) in which larger answers explain that they take longer."""
        n, body, grown, sized = own[0].ravel(), own[1].ravel(), own[-2], own[-1].ravel()
        cell = np.flatnonzero((grown > 0) & (self._state.size[:, 1] > 0)[:, None])
        if not len(cell):
            return cell
        sized = sized[cell]
        size = grown.ravel()[cell] / np.maximum(sized, 1.0)
        shift = body[cell] / np.maximum(n[cell], 1.0)
        least = np.maximum(np.maximum(GROWN, shift), SIZE_NOISE / np.sqrt(np.maximum(sized, 1.0)))
        found: Ints = cell[size >= least]
        return found
