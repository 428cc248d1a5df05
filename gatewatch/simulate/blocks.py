"""Edits that come out the same however a world's time is cut into chunks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from gatewatch.simulate.calls import Calls, joined
from gatewatch.simulate.model import MINUTE_MS, Chunk, Floats, Ints, Mask

BLOCK_MS = 5 * MINUTE_MS
"""Every chunk is made of whole blocks (chunks are 5 minutes to a day), except at the ends of the world."""

MINE = -2
"""In `Calls.incident`: made or changed by the scenario at work; planting puts its number there."""


@dataclass(frozen=True, slots=True)
class Block:
    """What a scenario edits at once: [start_ms, end_ms), the part of block `number` in which it is at work."""

    number: int
    start_ms: int
    end_ms: int

    @property
    def minutes(self) -> float:
        return (self.end_ms - self.start_ms) / MINUTE_MS


Edit: TypeAlias = Callable[[Calls, Block, np.random.Generator], Calls]
"""Edits the calls of a block (in order of time), which belong to it. Calls outside of the block are dropped."""


@dataclass(frozen=True, slots=True)
class InBlocks:
    """An `Apply` that hands the calls of each block to `edit`, with a generator seeded by (salt, API, block).

    Calls outside of [from_ms, until_ms) pass through untouched.
    """

    salt: int
    from_ms: int
    until_ms: int
    edit: Edit

    def __call__(self, calls: Calls, chunk: Chunk, rng: np.random.Generator) -> Calls:  # noqa: ARG002
        low, high = max(chunk.start_ms, self.from_ms), min(chunk.end_ms, self.until_ms)
        if low >= high:
            return calls
        inside = calls.during(low, high)
        parts = [calls.take(~inside)]
        calls = calls.take(inside).in_order()
        for number in range(low // BLOCK_MS, -(-high // BLOCK_MS)):
            block = Block(number, max(number * BLOCK_MS, self.from_ms), min((number + 1) * BLOCK_MS, self.until_ms))
            first, last = np.searchsorted(calls.at_ms, (block.start_ms, block.end_ms))
            mine = calls.take(np.arange(first, last))
            own = np.random.default_rng([self.salt, chunk.api.index, number])
            after = self.edit(mine, block, own)
            parts.append(after.take(after.during(max(block.start_ms, low), min(block.end_ms, high))))
        return joined(parts)


def touched(calls: Calls, where: Mask) -> None:
    """Mark calls as changed by the scenario at work."""
    calls.incident[where] = MINE


def made(calls: Calls) -> Calls:
    """These calls, marked as made by the scenario at work."""
    calls.incident[:] = MINE
    return calls


WANDER = 0.25


@dataclass(frozen=True, slots=True)
class Stream:
    """When planted calls begin, counted through from the first: call k is the same whichever block is asked for first.

    counts: calls of each minute from `first_minute` (epoch minutes) on; before: how many there were before each.
    """

    start_ms: int
    end_ms: int
    first_minute: int
    counts: Ints
    before: Ints

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def of(self, block: Block, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """(at_ms, number): begin and running number of the calls in the block, in order of time."""
        low = max(block.start_ms // MINUTE_MS - self.first_minute, 0)
        high = min(-(-block.end_ms // MINUTE_MS) - self.first_minute, len(self.counts))
        if low >= high:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        counts = self.counts[low:high]
        minute = (self.first_minute + np.repeat(np.arange(low, high), counts)) * MINUTE_MS
        begin = np.maximum(minute, self.start_ms)
        end = np.minimum(minute + MINUTE_MS, self.end_ms)
        at = np.sort(begin + (rng.random(len(minute)) * (end - begin)).astype(np.int64))
        return at, self.before[low] + np.arange(len(at), dtype=np.int64)


def stream(
    start_ms: int, end_ms: int, per_minute: Floats | float, rng: np.random.Generator, *, least: int = 0
) -> Stream:
    """Poisson counts at this rate (an element a minute from the start's minute on, or one number).

    The rate wanders by WANDER (log scale) from quarter to quarter of an hour, as people and tools do not work evenly.
    least: of all together; what is missing is put into minutes at random.
    """
    first = start_ms // MINUTE_MS
    minutes = np.arange(first, -(-end_ms // MINUTE_MS), dtype=np.int64)
    begin = np.maximum(minutes * MINUTE_MS, start_ms)
    end = np.minimum((minutes + 1) * MINUTE_MS, end_ms)
    mean = np.broadcast_to(np.asarray(per_minute, dtype=np.float64), minutes.shape) * (end - begin) / MINUTE_MS
    quarters = np.exp(rng.normal(-(WANDER**2) / 2, WANDER, len(minutes) // 15 + 2))
    mean = mean * np.interp(np.arange(len(minutes)) / 15, np.arange(len(quarters)), quarters)
    counts = rng.poisson(mean).astype(np.int64)
    missing = least - int(counts.sum())
    if missing > 0:
        share = mean / mean.sum()
        counts += rng.multinomial(missing, share)
    return Stream(start_ms, end_ms, first, counts, np.concatenate([[0], np.cumsum(counts)[:-1]]))
