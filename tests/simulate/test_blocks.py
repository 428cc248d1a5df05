"""Edits in blocks and streams of planted calls come out the same however time is cut."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import BLOCK_MS, MINE, Block, InBlocks, made, stream
from gatewatch.simulate.calls import Calls, joined
from gatewatch.simulate.model import HOUR_MS, MINUTE_MS, Chunk
from tests.simulate.builders import a_chunk, an_api, some_calls


def noted(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
    more = Calls.blank(rng.integers(block.start_ms - BLOCK_MS, block.end_ms + BLOCK_MS, 40))
    calls.bytes += rng.integers(1, 9, len(calls))
    return joined([calls, made(more)])


def test_calls_outside_of_the_time_pass_through_and_none_are_made_there() -> None:
    chunk = a_chunk(an_api())
    start, end = chunk.start_ms + 7 * MINUTE_MS, chunk.start_ms + 33 * MINUTE_MS
    calls = some_calls(chunk)
    after = InBlocks(1, start, end, noted)(some_calls(chunk), chunk, np.random.default_rng(0))
    assert (after.at_ms[after.incident == MINE] >= start).all()
    assert (after.at_ms[after.incident == MINE] < end).all()
    out = ~after.during(start, end)
    assert after.bytes[out].sum() == 0
    assert np.count_nonzero(out) == np.count_nonzero(~calls.during(start, end))


def test_two_chunks_make_what_one_makes() -> None:
    chunk = a_chunk(an_api())
    edit = InBlocks(1, chunk.start_ms + 7 * MINUTE_MS, chunk.start_ms + 33 * MINUTE_MS, noted)
    whole = edit(some_calls(chunk), chunk, np.random.default_rng(0)).in_order()
    middle = chunk.start_ms + HOUR_MS // 3
    parts = []
    for low, high in ((chunk.start_ms, middle), (middle, chunk.end_ms)):
        calls = some_calls(chunk)
        part = Chunk(chunk.api, chunk.number, low, high)
        parts.append(edit(calls.take(calls.during(low, high)), part, np.random.default_rng(9)))
    again = joined(parts).in_order()
    assert (again.at_ms == whole.at_ms).all()
    assert (again.bytes == whole.bytes).all()


def test_a_stream_numbers_its_calls_through_and_keeps_to_its_rate() -> None:
    start = a_chunk(an_api()).start_ms + 90_500
    times = stream(start, start + 50 * MINUTE_MS, 6.0, np.random.default_rng(3))
    assert 180 < times.total < 440
    seen = []
    for number in range(start // BLOCK_MS, (start + 50 * MINUTE_MS) // BLOCK_MS + 1):
        at, numbers = times.of(Block(number, number * BLOCK_MS, (number + 1) * BLOCK_MS), np.random.default_rng(number))
        assert (np.diff(at) >= 0).all()
        assert ((at >= start) & (at < start + 50 * MINUTE_MS)).all()
        seen += numbers.tolist()
    assert seen == list(range(times.total))


def test_a_stream_has_the_least_that_is_asked_for() -> None:
    start = a_chunk(an_api()).start_ms
    assert stream(start, start + 10 * MINUTE_MS, 0.1, np.random.default_rng(3), least=25).total == 25
