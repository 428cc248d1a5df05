"""A flash crowd multiplies calls and leaves their kinds alone."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.model import HOUR_MS
from gatewatch.simulate.scenarios import SCENARIOS
from tests.simulate.builders import a_chunk, a_world, an_api, some_calls


def test_a_crowd_only_adds_calls_and_only_while_it_lasts() -> None:
    api = an_api()
    world, chunk = a_world(api), a_chunk(api)
    found = SCENARIOS["flash_crowd"]
    start, end = chunk.start_ms + HOUR_MS // 4, chunk.start_ms + HOUR_MS * 3 // 4
    planted = found.make(world, api, "blatant", start, end, np.random.default_rng(5))
    calls = some_calls(chunk)
    after = planted.apply(calls, chunk, np.random.default_rng(6)).in_order()
    assert planted.touches(chunk)
    assert np.count_nonzero(after.during(start, end)) > 2.5 * np.count_nonzero(calls.during(start, end))
    assert np.count_nonzero(after.before(start - 5_000)) == np.count_nonzero(calls.before(start - 5_000))
    assert set(after.status.tolist()) == {200}
    again = planted.apply(some_calls(chunk), chunk, np.random.default_rng(6)).in_order()
    assert (again.at_ms == after.at_ms).all()
    assert (again.ip == after.ip).all()
