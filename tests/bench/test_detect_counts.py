import math

import numpy as np
import pytest

from bench.detect_counts import ARL, burn_rate, divergence, drawn, episodes


@pytest.mark.parametrize(("before", "after", "bound"), [(5, 10, 6.0), (5, 20, 0.9), (0.5, 2, 9.1), (50, 75, 2.1)])
def test_lordens_bound_of_poisson_counts_is_what_is_published(before: float, after: float, bound: float) -> None:
    assert math.log(ARL) / divergence(before, after, 1.0) == pytest.approx(bound, abs=0.06)


def test_a_negative_binomial_tells_less_the_more_it_scatters() -> None:
    told = [divergence(5.0, 10.0, spread) for spread in (1.0, 1.001, 2.0, 5.0)]
    assert told[1] == pytest.approx(told[0], rel=0.01)
    assert told[0] > told[2] > told[3] > 0


@pytest.mark.parametrize(("share", "minutes"), [(1.0, 0.86), (0.05, 17.3), (0.01, 216.0), (0.005, 864.0)])
def test_burn_rates_speak_when_the_workbook_says(share: float, minutes: float) -> None:
    assert burn_rate(share) == pytest.approx(minutes, rel=0.01)


def test_counts_scatter_as_asked() -> None:
    counts = drawn(np.random.default_rng(1), np.full((1, 40_000), 8.0), 5.0)
    assert counts.mean() == pytest.approx(8.0, rel=0.03)
    assert counts.var() / counts.mean() == pytest.approx(5.0, rel=0.06)


def test_what_stays_hot_is_one_alarm() -> None:
    hot = np.zeros((1, 300), dtype=bool)
    hot[0, [10, 11, 50, 200]] = True
    assert np.flatnonzero(episodes(hot)[0]).tolist() == [10, 200]
