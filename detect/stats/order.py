"""Where the quantile of a small sample stands: it is one of its values, and which one depends on how many there are.

The q-quantile of n values is the one of rank ceil(q n), so the "median" of two is the smaller and the "p95" of ten the
largest. `bias` tells how far, in standard deviations of a normal sample, that is from the true quantile on average.
Source: Blom (1958), expected normal order statistics.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from detect.grid import Floats, Ints

LARGEST = 400
"""From so many values on the bias is no longer worth a correction."""


def _table(quantile: float) -> Floats:
    normal = NormalDist()
    out = np.zeros(LARGEST + 1)
    for n in range(1, LARGEST):
        rank = max(math.ceil(quantile * n), 1)
        out[n] = normal.inv_cdf((rank - 0.375) / (n + 0.25)) - normal.inv_cdf(quantile)
    return out


_TABLES = {0.5: _table(0.5), 0.95: _table(0.95)}


def bias(n: Ints, quantile: float) -> Floats:
    """Expected (sample quantile - true quantile) / sigma for samples of n; 0 for n = 0 and for large n."""
    out: Floats = _TABLES[quantile][np.minimum(n, LARGEST)]
    return out
