"""How unlikely a count is: negative-binomial tails by saddlepoint, in nats.

With mean m and variance m + m²/r the rate I(y) = y ln(y/m) - (y + r) ln((y + r)/(m + r)) is the log generalised
likelihood ratio at known r and bounds the tail: P(Y >= y) <= exp(-I(y)). `tail_nats` is -ln P itself, within a few
per cent for means from 0.01 on. r -> infinity is Poisson.
Source: Chernoff (1952); Lugannani & Rice (1980), their lattice form after Daniels (1987).
"""

from __future__ import annotations

import math

import numpy as np

from detect.grid import Bools, Floats

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


def tail_nats(observed: Floats, mean: Floats, r: Floats, *, low: bool = False) -> Floats:
    """-ln P(Y >= observed), with low -ln P(Y <= observed); half of the probability of `observed` itself is left out.

    The half (mid-p) makes what small counts claim right on average. 0 for what is not beyond the mean.
    """
    mean = np.maximum(mean, 1e-9)
    beyond: Bools = observed < mean if low else observed > mean
    y = np.where(beyond, np.maximum(observed, 0.0), mean * (0.5 if low else 2.0))
    out = beyond_nats(y, mean, r, np.abs(nats(y, mean, r)), low=low)
    return np.where(beyond, out, 0.0)


def beyond_nats(y: Floats, mean: Floats, r: Floats, rate: Floats, *, low: bool = False) -> Floats:
    """`tail_nats` of counts that all lie beyond their mean (1e-9 at least); rate: their `nats`, without sign."""
    observed, y = y, np.maximum(y, 1e-3)
    tilt = np.abs(np.log(y * (mean + r) / (mean * (y + r))))
    w = np.sqrt(2.0 * np.maximum(rate, 1e-12))
    step = -np.expm1(-tilt)
    u = np.maximum(step * np.sqrt(y * (1.0 + y / r)), 1e-12)
    # Near the mean the formula divides nothing by nothing.
    z = np.where(w < 0.2, w, np.maximum(w + np.log(u / w) / np.maximum(w, 0.1), 0.0))
    out = log_survival(z) - np.log1p(-0.5 * step)
    if low:
        # Nothing at all: the probability is known, and the saddlepoint lies at minus infinity.
        out = np.where(observed <= 0, r * np.log1p(mean / r) + math.log(2.0), out)
    return np.maximum(out, 0.0)


def log_survival(z: Floats) -> Floats:
    """-ln of the standard normal upper tail for z >= 0, to 1e-3."""
    # Abramowitz & Stegun 26.2.17 near, the asymptotic series 26.2.12 far out.
    t = 1.0 / (1.0 + 0.2316419 * z)
    series = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    inverse = 1.0 / np.maximum(z, 4.0) ** 2
    far = (1.0 - inverse * (1.0 - 3.0 * inverse * (1.0 - 5.0 * inverse * (1.0 - 7.0 * inverse)))) / np.maximum(z, 4.0)
    out: Floats = 0.5 * z * z + 0.5 * math.log(2.0 * math.pi) - np.log(np.where(z < 4.5, series, far))
    return out


def upper_limit(mean: float, r: float, limit: float) -> float:
    """The count at which `nats` reaches `limit`, by bisection: for the band of a chart. The mean where limit <= 0."""
    mean, limit = max(mean, 1e-9), max(limit, 0.0)
    low, high = mean, mean + 3.0 * limit + 6.0 * math.sqrt(limit * (mean + mean * mean / r))
    for _ in range(20):
        middle = 0.5 * (low + high)
        rate = middle * math.log(middle / mean) - (middle + r) * math.log1p((middle - mean) / (mean + r))
        low, high = (low, middle) if rate >= limit else (middle, high)
    return high
