"""Which requests have been seen: a bounded set of 64-bit identities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LIMIT = 32_000_000
"""Identities remembered (8 bytes each). Beyond it the oldest are forgotten: a repetition that comes that much later
counts again, which is said in the guide."""

Identities = npt.NDArray[np.uint64]


class SeenSet:
    """Sorted runs of identities, merged as they grow (a log-structured merge): adding and looking up are vectorised."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._runs: list[Identities] = []
        self._limit = limit

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs)

    def take(self, identities: Identities) -> npt.NDArray[np.bool_]:
        """Mark which of these are repetitions (of earlier ones, or within themselves), and remember the rest."""
        order = np.argsort(identities)
        ordered = identities[order]
        repeated = np.zeros(len(ordered), dtype=bool)
        repeated[1:] = ordered[1:] == ordered[:-1]
        if repeated.any():  # the first of equal ones is no repetition: only then is the slower, stable sort needed
            order = np.argsort(identities, kind="stable")
        for run in self._runs:
            at = np.searchsorted(run, ordered)
            at[at == len(run)] = len(run) - 1
            repeated |= run[at] == ordered
        out = np.empty(len(ordered), dtype=bool)
        out[order] = repeated
        self._add(ordered[~repeated])
        return out

    def forget(self, identities: Identities) -> None:
        """Take back what a batch that failed had brought."""
        self._runs = [left for run in self._runs if len(left := run[~np.isin(run, identities)])]

    def _add(self, run: Identities) -> None:
        if not len(run):
            return
        self._runs.append(run)
        while (
            len(self._runs) > 1
            and len(self._runs[-1]) * 2 > len(self._runs[-2])
            and len(self._runs[-1]) + len(self._runs[-2]) <= self._limit // 4
        ):
            later, earlier = self._runs.pop(), self._runs.pop()
            merged = np.concatenate([earlier, later])
            merged.sort()
            self._runs.append(merged)
        while len(self) > self._limit and len(self._runs) > 1:
            self._runs.pop(0)
