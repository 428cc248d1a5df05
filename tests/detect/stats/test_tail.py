"""The upper edge of a chart's band."""

from __future__ import annotations

import numpy as np
import pytest

from detect.stats.tail import nats, upper_limit


@pytest.mark.parametrize("mean", [0.01, 3.0, 4000.0])
@pytest.mark.parametrize("r", [0.5, 20.0, 1e9])
def test_it_is_the_count_that_is_as_unlikely_as_asked(mean: float, r: float) -> None:
    at = upper_limit(mean, r, 8.0)
    assert float(nats(np.array([at]), np.array([mean]), np.array([r]))[0]) == pytest.approx(8.0, rel=0.01)


@pytest.mark.parametrize("limit", [0.0, -0.7])
def test_a_limit_that_calibration_took_below_nothing_is_the_mean_itself(limit: float) -> None:
    assert upper_limit(3.0, 20.0, limit) == pytest.approx(3.0)
