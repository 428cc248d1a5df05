"""Devices report under their own names: what rests is one of them, not a share of everybody's calls."""

from __future__ import annotations

import numpy as np
import pytest

from gatewatch.simulate.archetypes import build
from gatewatch.simulate.background import background
from gatewatch.simulate.calls import joined
from gatewatch.simulate.model import HOUR_MS, MINUTE_MS, Settings
from gatewatch.simulate.sidelines import DEVICE_SECONDS, ON_SHARE

END_MS = 1_780_000_000_000 // HOUR_MS * HOUR_MS


@pytest.mark.parametrize("rate_rps", [3.0, 0.5])
def test_a_device_that_rests_makes_no_call_and_the_others_keep_their_beat(rate_rps: float) -> None:
    world = build(Settings(seed=5, days=1, apis=13, rate_rps=rate_rps, end_ms=END_MS, plant=False))
    meters = next(api for api in world.apis if api.audience == "devices")
    calls = joined([background(world, chunk) for chunk in world.chunks(meters)])
    calls = calls.take(calls.principal >= 0)  # those of a meter, not of monitors and scanners
    beat_ms = max(meters.users * ON_SHARE / meters.rate_rps, DEVICE_SECONDS - 1) * 1000
    assert len(calls) == pytest.approx(0.95 * 86_400 * meters.rate_rps, rel=0.15)
    rests = 0
    for user in range(meters.users):
        waits = np.diff(np.sort(calls.at_ms[calls.principal == user]))
        # One report in twenty asks for firmware, for which nobody need be known: some waits are of two or three beats.
        assert np.median(waits) == pytest.approx(beat_ms, rel=0.1)
        rests += int((waits > 5.5 * HOUR_MS).sum())
        assert not ((waits > 6 * beat_ms + MINUTE_MS) & (waits < 5 * HOUR_MS)).any()
    assert rests >= 1
