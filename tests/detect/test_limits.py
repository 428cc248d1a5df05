"""Fixed limits: what a stage's own weeks hold stays below them, ten times as much does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detect.limits import limits_of
from gatewatch.frames import MINUTES
from gatewatch.settings import Settings
from tests.detect.world import a_world


def test_ordinary_days_stay_within_the_limits_and_much_more_does_not() -> None:
    world = a_world(5, apis=2, days=4, incidents=False, benign=False, gap=False)
    found = limits_of(world.minutes, Settings())
    assert len(found) == 2
    stages = world.minutes.column("api").to_pylist()
    minute = pc.floor_temporal(world.minutes.column("minute"), multiple=5, unit="minute")
    for one in found:
        mine = pa.array([api == one.key[2] for api in stages])
        sums = (
            world.minutes.set_column(0, world.minutes.schema.field("minute"), minute)
            .filter(mine)
            .group_by("minute")
            .aggregate([("s4xx", "sum"), ("s5xx", "sum"), ("n", "sum")])
        )
        refused, failed, n = (sums.column(f"{name}_sum").to_numpy() for name in ("s4xx", "s5xx", "n"))
        assert one.client_errors is not None
        assert one.server_errors is not None
        assert one.p95_ms is not None
        assert refused.max() <= one.client_errors < 10 * max(refused.max(), 5)
        assert failed.max() <= one.server_errors < 10 * max(failed.max(), 5)
        assert one.least is None or 0 < one.least <= np.sort(n)[1]  # the last window may be cut off


def test_of_a_stage_that_was_hardly_seen_nothing_is_learned() -> None:
    world = a_world(5, apis=1, days=1, incidents=False, benign=False, gap=False)
    start = datetime.fromtimestamp(world.start * 60, UTC)
    few = world.minutes.filter(pc.less(world.minutes.column("minute"), pa.scalar(start + timedelta(hours=5))))
    (found,) = limits_of(few, Settings())
    assert (found.server_errors, found.client_errors, found.least, found.p95_ms) == (None, None, None, None)
    assert limits_of(MINUTES.empty_table(), Settings()) == []
