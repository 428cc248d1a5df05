"""Columns, types and units of the lake's tables."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from gatewatch.records import REJECT_CAUSES, THROTTLE_SCOPES

TIME = pa.timestamp("us", tz="UTC")

REQUESTS = pa.schema(
    [
        ("at", TIME),
        ("account", pa.string()),
        ("region", pa.string()),
        ("api", pa.string()),
        ("api_type", pa.string()),
        ("stage", pa.string()),
        ("route", pa.string()),
        ("method", pa.string()),
        ("path", pa.string()),
        ("status", pa.int16()),
        ("reject_cause", pa.string()),
        ("throttle_scope", pa.string()),
        ("latency_ms", pa.float32()),
        ("integration_latency_ms", pa.float32()),
        ("authorizer_latency_ms", pa.float32()),
        ("integration_status", pa.int16()),
        ("response_bytes", pa.int64()),
        ("client_ip", pa.string()),
        ("principal", pa.string()),
        ("api_key_id", pa.string()),
        ("user_agent", pa.string()),
        ("request_id", pa.string()),
        ("extended_request_id", pa.string()),
        ("trace_id", pa.string()),
        ("error_type", pa.string()),
        ("error_message", pa.string()),
        ("authorizer_error", pa.string()),
        ("waf_action", pa.string()),
        ("domain", pa.string()),
        ("tls_version", pa.string()),
        ("tls_cipher", pa.string()),
        ("connection_id", pa.string()),
        ("event_type", pa.string()),
        ("extra", pa.string()),
        ("delivered_at", TIME),
        ("source", pa.string()),
        ("batch", pa.string()),
        ("waf_latency_ms", pa.float32()),
    ]
)
"""One API call (design.md 3). NULL means absent; never '-', 0 or ''.

`client_id` is derived when read: key:ID, else principal:NAME, else ip:ADDRESS, else NULL.
"""

MINUTE_KEYS: tuple[str, ...] = ("minute", "account", "region", "api", "api_type", "stage", "route")

CLIENT_KEYS: tuple[str, ...] = (
    *MINUTE_KEYS,
    "reject_cause",
    "throttle_scope",
    "client_ip",
    "principal",
    "api_key_id",
    "user_agent",
)


def cause_column(cause: str) -> str:
    return f"c_{cause}"


def scope_column(scope: str) -> str:
    return f"t_{scope}"


MINUTE_COUNTS: tuple[str, ...] = (
    "n",
    "s1xx",
    "s2xx",
    "s3xx",
    "s4xx",
    "s5xx",
    *(cause_column(cause) for cause in REJECT_CAUSES),
    *(scope_column(scope) for scope in THROTTLE_SCOPES),
    "response_bytes",
    "backend_5xx",
    "over_28s",
    "latency_us",
    "integration_us",
    "authorizer_us",
    "gateway_us",
    "waf_us",
    "waf_n",
)
"""int64 columns that add up. *_us: sums in microseconds. over_28s: latency >= 28,000 ms (the 29-s limit).

waf_n: requests whose time in WAF is known; NULL (waf_us, too) in rows that were written before there was such a column.
"""

HISTOGRAMS: tuple[str, ...] = ("latency", "integration", "authorizer", "gateway")
"""Each is a pair of lists NAME_b (bucket, int16, ascending) and NAME_c (count, int32): see histogram.py.

gateway = latency - integration - authorizer - WAF (of the last two a missing one counts 0), only where the first two
are known.
"""

_keys = [(key, TIME if key == "minute" else pa.string()) for key in MINUTE_KEYS]
_lists = [
    (f"{name}_{part}", pa.list_(pa.int16() if part == "b" else pa.int32())) for name in HISTOGRAMS for part in "bc"
]

MINUTES = pa.schema(
    [
        *_keys,
        *((count, pa.int64()) for count in MINUTE_COUNTS),
        *_lists,
        ("clients_k", pa.list_(pa.uint32())),
        ("visible", pa.uint64()),
        ("available_at", TIME),
    ]
)
"""One row per batch x minute x account x region x api x stage x route; readers sum (merge_minutes).

clients_k: the (at most) 64 smallest 32-bit hashes of the client ids seen; merged by union and cut.
visible: bit i set when the formats of these lines can give column i of REQUESTS; merged by OR.
available_at: latest known delivery time of the lines (UTC); NULL when the source does not tell.
"""

CLIENTS = pa.schema(
    [
        *((key, TIME if key == "minute" else pa.string()) for key in CLIENT_KEYS),
        ("n", pa.int64()),
        ("seconds", pa.int64()),
    ]
)
"""Refused requests only (reject_cause is never NULL): who was refused, why, how often in the minute. Exact.

seconds: bit i set when one came in second i of the minute; merged by OR. NULL: the logs give no more than minutes, or
the rows were written before there was such a column.
"""

COVERAGE = pa.schema([("source", pa.string()), ("start", TIME), ("end", TIME)])
"""Intervals [start, end) in which a source delivered. Outside of them a missing minute is NaN, inside it is 0."""

_NAME = pa.dictionary(pa.int32(), pa.string())

METRICS = pa.schema(
    [
        ("at", TIME),
        ("period_s", pa.int32()),
        ("account", _NAME),
        ("region", _NAME),
        ("api", _NAME),
        ("api_name", _NAME),
        ("stage", _NAME),
        ("metric", _NAME),
        ("value", pa.float64()),
    ]
)
"""Sums of a CloudWatch metric of `AWS/ApiGateway` over [at, at + period_s), one row a series and period.

HTTP APIs are named by `api` (their id), REST APIs by `api_name`, which several APIs may share; stage NULL: the copy of
the series that sums all stages. Without a row between its first and its last a series was 0 (no traffic, no point).
"""

POINTS = pa.schema(
    [
        ("at", TIME),
        ("period_s", pa.int32()),
        ("account", pa.string()),
        ("region", pa.string()),
        ("namespace", pa.string()),
        ("metric", pa.string()),
        ("stat", pa.string()),
        ("dimensions", pa.string()),
        ("value", pa.float64()),
    ]
)
"""Datapoints of CloudWatch as they come: the statistic of [at, at + period_s). Of a point that comes again the latest
counts. dimensions: a JSON object, sorted and without spaces (frames.points.dimensions_text). `metrics_of` sums them.
"""

PARTS: tuple[str, ...] = ("gateway", "authorizer", "integration", "init", "handler", "downstream")

SPANS = pa.schema(
    [
        ("at", TIME),
        ("account", _NAME),
        ("region", _NAME),
        ("api", _NAME),
        ("stage", _NAME),
        ("route", _NAME),
        ("trace_id", pa.string()),
        ("part", _NAME),
        ("name", _NAME),
        ("ms", pa.float32()),
        ("total_ms", pa.float32()),
        ("status", pa.int16()),
    ]
)
"""Where a traced request spent its time: a row for each part (PARTS) and whose it was; the ms add up to total_ms.

part: gateway (itself), authorizer, integration (the call of the back end and its queue), init (Lambda cold start),
handler (the function or service itself), downstream (what that called). name: of the function, service or downstream;
NULL for the gateway. Traces are a sample: they tell shares and times, never counts.
"""

EXECUTIONS = pa.schema(
    [
        ("at", TIME),
        ("account", pa.string()),
        ("region", pa.string()),
        ("api", pa.string()),
        ("stage", pa.string()),
        ("request_id", pa.string()),
        ("extended_request_id", pa.string()),
        ("reject_cause", pa.string()),
        ("throttle_scope", pa.string()),
        ("authorizer", pa.string()),
        ("said", pa.string()),
    ]
)
"""What a stage's execution log says of a request that was refused: a row each, with the cause that it names.

throttle_scope: only of `throttle`. authorizer: its id, when one was asked or begun. said: the line that tells, cut.
"""

ROLLUP_STATS: tuple[str, ...] = (
    "latency_n",
    "latency_p50_ms",
    "latency_p90_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "integration_n",
    "integration_p50_ms",
    "integration_p95_ms",
    "authorizer_n",
    "authorizer_p50_ms",
    "authorizer_p95_ms",
    "gateway_n",
    "gateway_p50_ms",
    "gateway_p95_ms",
    "distinct_clients",
)


def visible_mask(columns: Iterable[str]) -> int:
    """The bit mask of these REQUESTS columns."""
    mask = 0
    for column in columns:
        mask |= 1 << REQUESTS.get_field_index(column)
    return mask


def visible_columns(mask: int) -> frozenset[str]:
    """The REQUESTS columns that a mask names."""
    return frozenset(name for index, name in enumerate(REQUESTS.names) if mask >> index & 1)
