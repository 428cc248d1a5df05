"""Mergeable latency histogram: logarithmic buckets of base 1.02, so any quantile is within 1 % of a sample value.

Bucket b holds [1.02^b, 1.02^(b+1)) ms and stands for the middle 1.02^(b+0.5); bucket -1 holds everything below 1 ms
and stands for 0.5 ms. Merging adds counts: exact in integers, in any order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

BASE = 1.02
LOWEST = -1
HIGHEST = 1000  # 1.02^1000 ms is 4.6 days; nothing behind a gateway answers later


def buckets_of(ms: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
    """The buckets of latencies in milliseconds (>= 0, none NaN)."""
    found = np.floor(np.log(np.maximum(ms, 1)) * (1 / np.log(BASE)))
    return np.where(ms < 1, LOWEST, np.minimum(found, HIGHEST)).astype(np.int16)


def bucket_of(ms: float) -> int:
    """The bucket of one latency in milliseconds (>= 0)."""
    return int(buckets_of(np.array([ms]))[0])


def bucket_value_ms(bucket: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The latency in milliseconds that each bucket stands for."""
    buckets = np.asarray(bucket, dtype=np.float64)
    return np.where(buckets < 0, 0.5, np.power(BASE, buckets + 0.5))


def quantiles_ms(
    buckets: pa.ListArray, counts: pa.ListArray, quantiles: Sequence[float]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Quantiles of many histograms at once.

    buckets, counts: one list a row, same lengths, buckets ascending; NULL or empty rows give n = 0 and NaN.
    Returns n (rows,) and values in ms (rows, quantiles). The q-quantile is the value of rank ceil(q n), at least 1.
    """
    rows = len(buckets)
    values = np.full((rows, len(quantiles)), np.nan)
    lengths = np.asarray(buckets.value_lengths().fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)
    flat_counts = np.asarray(counts.flatten().to_numpy(zero_copy_only=False), dtype=np.int64)
    flat_buckets = np.asarray(buckets.flatten().to_numpy(zero_copy_only=False), dtype=np.int64)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    running = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(flat_counts)])
    before = running[starts]
    totals = running[ends] - before
    filled = totals > 0
    for column, quantile in enumerate(quantiles):
        rank = np.maximum(np.ceil(quantile * totals[filled]).astype(np.int64), 1)
        index = np.searchsorted(running, before[filled] + rank, side="left") - 1
        values[filled, column] = bucket_value_ms(flat_buckets[index])
    return totals, values
