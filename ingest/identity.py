"""Which requests have been seen: a bounded set of 64-bit identities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LIMIT = 32_000_000
"""Identities remembered (8 bytes each). Beyond it the oldest are forgotten: a repetition that comes that much later
counts again, which is said in the guide."""

_BITS = 27
"""A bit for each first 27 bits of an identity (16 MiB): one that is not set was never seen, and need not be
searched for. Of five million others one in 27 has the same; bits stay set when identities are forgotten."""

Identities = npt.NDArray[np.uint64]


EVER = (-(1 << 63), (1 << 63) - 1)

_NEIGHBOURS = 2
"""So many runs of the same time are searched as they are; more of them go into the pool."""


@dataclass(slots=True, eq=False)
class _Run:
    """Sorted identities of requests between two instants; number: when they came."""

    number: int
    span: tuple[int, int]
    identities: Identities

    def meets(self, span: tuple[int, int]) -> bool:
        return self.span[0] <= span[1] and self.span[1] >= span[0]


class SeenSet:
    """Sorted runs of identities. Equal ones have the same instant, so runs of other times need not be looked at.

    Files that follow each other in time stay apart. What comes at the same time as several others goes into a pool of
    runs that are merged as they grow (a log-structured merge): adding and looking up are vectorised.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._pool: list[_Run] = []
        self._apart: list[_Run] = []
        self._bits = np.zeros((1 << _BITS) // 8, dtype=np.uint8)
        self._limit = limit
        self._count = 0
        self._number = 0

    def __len__(self) -> int:
        return self._count

    def take(self, identities: Identities, span: tuple[int, int] = EVER) -> npt.NDArray[np.bool_]:
        """Mark which of these are repetitions (of earlier ones, or within themselves), and remember the rest.

        span: first and last instant of their requests.
        """
        met = [run for run in self._apart if run.meets(span)]
        if len(met) > _NEIGHBOURS:
            self._join(met)
            met = []
        pooled = any(run.meets(span) for run in self._pool)
        ordered = np.sort(identities)
        if not self._repeats(ordered, met, pooled):  # nearly always, and found out in half the time
            self._add(ordered, span)
            return np.zeros(len(ordered), dtype=bool)
        order = np.argsort(identities)
        ordered = identities[order]
        repeated = np.zeros(len(ordered), dtype=bool)
        repeated[1:] = ordered[1:] == ordered[:-1]
        if repeated.any():  # the first of equal ones is no repetition: only then is the slower, stable sort needed
            order = np.argsort(identities, kind="stable")
        for run in (*met, *self._pool):
            repeated |= _among(run.identities, ordered)
        out = np.empty(len(ordered), dtype=bool)
        out[order] = repeated
        self._add(ordered[~repeated], span)
        return out

    def _repeats(self, ordered: Identities, met: Sequence[_Run], pooled: bool) -> bool:
        if (ordered[1:] == ordered[:-1]).any() or any(_among(run.identities, ordered).any() for run in met):
            return True
        if not pooled:
            return False
        place, bit = _bit_of(ordered)
        suspects = ordered[(self._bits[place] & bit) != 0]
        return any(_among(run.identities, suspects).any() for run in self._pool)

    def forget(self, identities: Identities) -> None:
        """Take back what a batch that failed had brought."""
        for run in (*self._pool, *self._apart):
            run.identities = run.identities[~np.isin(run.identities, identities)]
        self._pool = [run for run in self._pool if len(run.identities)]
        self._apart = [run for run in self._apart if len(run.identities)]
        self._count = sum(len(run.identities) for run in (*self._pool, *self._apart))

    def _add(self, identities: Identities, span: tuple[int, int]) -> None:
        if not len(identities):
            return
        self._number += 1
        self._count += len(identities)
        run = _Run(self._number, span, identities)
        if span == EVER:
            self._join([run])
        else:
            self._apart.append(run)
        while self._count > self._limit and len(self._pool) + len(self._apart) > 1:
            kind = min((runs for runs in (self._pool, self._apart) if runs), key=lambda runs: runs[0].number)
            self._count -= len(kind.pop(0).identities)

    def _join(self, runs: Sequence[_Run]) -> None:
        """Put these into the pool."""
        for run in runs:
            if run in self._apart:
                self._apart.remove(run)
            np.bitwise_or.at(self._bits, *_bit_of(run.identities))
            self._pool.append(run)
            while (
                len(self._pool) > 1
                and len(self._pool[-1].identities) * 2 > len(self._pool[-2].identities)
                and len(self._pool[-1].identities) + len(self._pool[-2].identities) <= self._limit // 4
            ):
                later, earlier = self._pool.pop(), self._pool.pop()
                merged = np.concatenate([earlier.identities, later.identities])
                merged.sort()
                span = min(earlier.span[0], later.span[0]), max(earlier.span[1], later.span[1])
                self._pool.append(_Run(earlier.number, span, merged))


def _bit_of(identities: Identities) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint8]]:
    """Byte, and bit in it."""
    leading = (identities >> np.uint64(64 - _BITS)).astype(np.intp)
    return leading >> 3, np.left_shift(np.uint8(1), (leading & 7).astype(np.uint8))


def _among(run: Identities, ordered: Identities) -> npt.NDArray[np.bool_]:
    """Which of these stand in the run; both are sorted, and the run is not empty."""
    at = np.searchsorted(run, ordered)
    at[at == len(run)] = len(run) - 1
    return np.asarray(run[at] == ordered)
