"""How unlikely a count is: negative-binomial Chernoff bounds, in nats.

With mean m and variance m + m²/r, P(Y >= y) <= exp(-I(y)) for y > m (and P(Y <= y) for y < m) with
I(y) = y ln(y/m) - (y + r) ln((y + r)/(m + r)). r -> infinity is Poisson. Source: Chernoff (1952); the same I is the
log generalised likelihood ratio of the rate at known r. It never claims more than the exact tail does.
"""

from __future__ import annotations

import math

import numpy as np

from detect.grid import Floats

_BIG_R = 1e9


def size(mean: Floats, dispersion: Floats, relative: Floats) -> Floats:
    """r of a count with variance `dispersion` × mean + (`relative` × mean)²; the second is what the mean may err."""
    inverse = (dispersion - 1.0) / np.maximum(mean, 1e-9) + relative * relative
    return 1.0 / np.maximum(inverse, 1.0 / _BIG_R)


def nats(observed: Floats, mean: Floats, r: Floats) -> Floats:
    """I(observed), signed: positive above the mean, negative below. mean 0 gives 0 for 0, else large."""
    mean = np.maximum(mean, 1e-9)
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(observed > 0, observed * np.log(np.maximum(observed, 1e-300) / mean), 0.0)
        second = (observed + r) * np.log1p((observed - mean) / (mean + r))
    rate = np.maximum(first - second, 0.0)
    return np.where(observed >= mean, rate, -rate)


def upper_limit(mean: float, r: float, limit: float) -> float:
    """The count at which `nats` reaches `limit`, by bisection: for the band of a chart."""
    mean = max(mean, 1e-9)
    low, high = mean, mean + 3.0 * limit + 6.0 * math.sqrt(limit * (mean + mean * mean / r))
    for _ in range(20):
        middle = 0.5 * (low + high)
        rate = middle * math.log(middle / mean) - (middle + r) * math.log1p((middle - mean) / (mean + r))
        low, high = (low, middle) if rate >= limit else (middle, high)
    return high
