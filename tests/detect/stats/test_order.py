import math

import numpy as np

from detect.stats.order import bias


def test_the_bias_is_that_of_simulated_samples() -> None:
    rng = np.random.default_rng(1)
    for n in (1, 2, 5, 10, 40):
        for quantile, true in ((0.5, 0.0), (0.95, 1.645)):
            samples = np.sort(rng.normal(size=(20_000, n)), axis=1)
            seen = samples[:, max(math.ceil(quantile * n), 1) - 1].mean() - true
            assert abs(float(bias(np.array([n]), quantile)[0]) - seen) < 0.03


def test_large_samples_need_no_correction() -> None:
    assert bias(np.array([0, 10_000]), 0.5).tolist() == [0.0, 0.0]
