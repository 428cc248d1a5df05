"""Sums of latency scores over trailing windows, of routes and of whole stages, without routes whose answers grew.

Scores are whole multiples of a power of two, so sums are exact in any order: those of a stage are running sums of
their own, from which the few minutes of routes that do not count are taken out again.
"""

from __future__ import annotations

import numpy as np

from detect.grid import Floats, Ints
from detect.slowstate import DUE, SCORES, Slowness
from detect.stats.windows import prefix, trailing

GROWN, SIZE_NOISE = 0.04, 1.6
"""Rise of the log answer size from which larger answers explain slower ones, when it is no less than the body score's
and twice what chance gives (sizes of single answers stray by 0.8 or so)."""

_SUMMED = (*SCORES, *DUE)


class Windows:
    """Running sums of the ring of a state, whose last `take` minutes are to be looked at."""

    def __init__(self, state: Slowness, take: int) -> None:
        self._state, self._take = state, take
        self._begin = state.ring["n"].shape[1] - take
        self._own = {name: prefix(state.ring[name]) for name in (*_SUMMED, "grown", "sized")}
        pools = {name: state.pooled(state.ring[name]) for name in _SUMMED}
        pools["variance"] = state.pooled(state.ring["n"] * state.variance[:, None])
        self._pool = {name: prefix(values) for name, values in pools.items()}

    def sums(self, length: int) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """Sums of each score over a window: of the stages and of the routes, (series, minutes)."""
        own = {name: trailing(self._own[name], self._begin, self._take, length) for name in _SUMMED}
        pool = {name: trailing(run, self._begin, self._take, length) for name, run in self._pool.items()}
        cell = self._grown(own, length)
        if len(cell):
            row, at = cell // self._take, cell % self._take
            stage = self._state.stage_of[row]
            np.subtract.at(pool["variance"], (stage, at), own["n"][row, at] * self._state.variance[row])
            for name in _SUMMED:
                np.subtract.at(pool[name], (stage, at), own[name][row, at])
                own[name][row, at] = 0.0
        return pool, own

    def _grown(self, own: dict[str, Floats], length: int) -> Ints:
        """Cells (of routes × minutes) in which larger answers explain that they take longer."""
        grown = trailing(self._own["grown"], self._begin, self._take, length)
        known = self._state.size[:, 1] > 0
        cell = np.flatnonzero((grown > 0) & known[:, None])
        if not len(cell):
            return cell
        sized = trailing(self._own["sized"], self._begin, self._take, length).ravel()[cell]
        size = grown.ravel()[cell] / np.maximum(sized, 1.0)
        shift = own["body"].ravel()[cell] / np.maximum(own["n"].ravel()[cell], 1.0)
        least = np.maximum(np.maximum(GROWN, shift), SIZE_NOISE / np.sqrt(np.maximum(sized, 1.0)))
        return cell[size >= least]
