"""Counts as rates, with what they may really be."""

from __future__ import annotations

from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Rate:
    """count in `exposure` units, and the exact 95 % interval of the rate behind it. No exposure: NaN."""

    count: int
    exposure: float
    rate: float
    low: float
    high: float


def poisson_rate(count: int, exposure: float) -> Rate:
    """Garwood (1936): the interval of a Poisson mean from chi-squared quantiles; never too narrow.

    >>> rate = poisson_rate(0, 10.0)
    >>> (rate.rate, rate.low, round(rate.high, 4))
    (0.0, 0.0, 0.3689)
    """
    from scipy.special import gammaincinv

    if exposure <= 0:
        return Rate(count, exposure, float("nan"), float("nan"), float("nan"))
    tail = (1 - CONFIDENCE) / 2
    low = float(gammaincinv(count, tail)) if count else 0.0
    high = float(gammaincinv(count + 1, 1 - tail))
    return Rate(count, exposure, count / exposure, low / exposure, high / exposure)


def share_interval(hits: int, of: int) -> tuple[float, float]:
    """Clopper and Pearson (1934): the exact 95 % interval of a share; (0, 1) when there is nothing to count.

    >>> [round(edge, 3) for edge in share_interval(10, 10)]
    [0.692, 1.0]
    """
    from scipy.special import betaincinv

    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(hits, of - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, of - hits, 1 - tail)) if hits < of else 1.0
    return low, high
