"""The tables that cross from room to room: their columns, types and units, and how they are merged."""

from gatewatch.frames.histogram import bucket_of, bucket_value_ms, quantiles_ms
from gatewatch.frames.merge import CLOSE_DELAY, merge_client_parts, merge_clients, merge_minutes, rollup
from gatewatch.frames.schema import (
    CLIENT_KEYS,
    CLIENTS,
    COVERAGE,
    HISTOGRAMS,
    METRICS,
    MINUTE_COUNTS,
    MINUTE_KEYS,
    MINUTES,
    PARTS,
    REQUESTS,
    ROLLUP_STATS,
    SPANS,
    cause_column,
    scope_column,
    visible_columns,
    visible_mask,
)

__all__ = [
    "CLIENTS",
    "CLIENT_KEYS",
    "CLOSE_DELAY",
    "COVERAGE",
    "HISTOGRAMS",
    "METRICS",
    "MINUTES",
    "MINUTE_COUNTS",
    "MINUTE_KEYS",
    "PARTS",
    "REQUESTS",
    "ROLLUP_STATS",
    "SPANS",
    "bucket_of",
    "bucket_value_ms",
    "cause_column",
    "merge_client_parts",
    "merge_clients",
    "merge_minutes",
    "quantiles_ms",
    "rollup",
    "scope_column",
    "visible_columns",
    "visible_mask",
]
