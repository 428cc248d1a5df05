"""Which requests have been seen: a bounded set of 64-bit identities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LIMIT = 32_000_000
"""Identities remembered (8 bytes each). Beyond it the oldest are forgotten: a repetition that comes that much later
counts again, which is said in the guide."""

_BITS = 27
"""A bit for each first 27 bits of an identity (16 MiB): one that is not set was never seen, and need not be
searched for. Of five million others one in 27 has the same; bits stay set when identities are forgotten."""

Identities = npt.NDArray[np.uint64]


class SeenSet:
    """Sorted runs of identities, merged as they grow (a log-structured merge): adding and looking up are vectorised."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._runs: list[Identities] = []
        self._bits = np.zeros((1 << _BITS) // 8, dtype=np.uint8)
        self._limit = limit

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs)

    def take(self, identities: Identities) -> npt.NDArray[np.bool_]:
        """Mark which of these are repetitions (of earlier ones, or within themselves), and remember the rest."""
        ordered = np.sort(identities)
        if not self._repeats(ordered):  # nearly always, and found out in half the time
            self._add(ordered)
            return np.zeros(len(ordered), dtype=bool)
        order = np.argsort(identities)
        ordered = identities[order]
        repeated = np.zeros(len(ordered), dtype=bool)
        repeated[1:] = ordered[1:] == ordered[:-1]
        if repeated.any():  # the first of equal ones is no repetition: only then is the slower, stable sort needed
            order = np.argsort(identities, kind="stable")
        for run in self._runs:
            repeated |= _among(run, ordered)
        out = np.empty(len(ordered), dtype=bool)
        out[order] = repeated
        self._add(ordered[~repeated])
        return out

    def _repeats(self, ordered: Identities) -> bool:
        if (ordered[1:] == ordered[:-1]).any():
            return True
        place, bit = _bit_of(ordered)
        suspects = ordered[(self._bits[place] & bit) != 0]
        return any(_among(run, suspects).any() for run in self._runs)

    def forget(self, identities: Identities) -> None:
        """Take back what a batch that failed had brought."""
        self._runs = [left for run in self._runs if len(left := run[~np.isin(run, identities)])]

    def _add(self, run: Identities) -> None:
        if not len(run):
            return
        np.bitwise_or.at(self._bits, *_bit_of(run))
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


def _bit_of(identities: Identities) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint8]]:
    """Byte, and bit in it."""
    leading = (identities >> np.uint64(64 - _BITS)).astype(np.intp)
    return leading >> 3, np.left_shift(np.uint8(1), (leading & 7).astype(np.uint8))


def _among(run: Identities, ordered: Identities) -> npt.NDArray[np.bool_]:
    """Which of these stand in the run; both are sorted, and the run is not empty."""
    at = np.searchsorted(run, ordered)
    at[at == len(run)] = len(run) - 1
    return np.asarray(run[at] == ordered)
