"""The tables that cross from room to room: their columns, types and units, and how they are merged."""

from gatewatch.frames.histogram import bucket_of, bucket_value_ms, quantiles_ms
from gatewatch.frames.merge import merge_clients, merge_minutes, rollup
from gatewatch.frames.schema import (
    CLIENT_KEYS,
    CLIENTS,
    COVERAGE,
    HISTOGRAMS,
    MINUTE_COUNTS,
    MINUTE_KEYS,
    MINUTES,
    REQUESTS,
    ROLLUP_STATS,
    cause_column,
    scope_column,
    visible_columns,
    visible_mask,
)

__all__ = [
    "CLIENTS",
    "CLIENT_KEYS",
    "COVERAGE",
    "HISTOGRAMS",
    "MINUTES",
    "MINUTE_COUNTS",
    "MINUTE_KEYS",
    "REQUESTS",
    "ROLLUP_STATS",
    "bucket_of",
    "bucket_value_ms",
    "cause_column",
    "merge_clients",
    "merge_minutes",
    "quantiles_ms",
    "rollup",
    "scope_column",
    "visible_columns",
    "visible_mask",
]
