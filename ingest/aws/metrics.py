"""Datapoints of CloudWatch for one region: each metric that there is, each period asked for once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from gatewatch.errors import SourceError
from gatewatch.frames.points import dimensions_text
from gatewatch.frames.schema import POINTS
from gatewatch.records import JSON
from ingest.aws.problems import Denied
from ingest.aws.reading import Reader
from ingest.aws.session import Aws

PERIOD_S = 60
SETTLE = timedelta(minutes=5)
"""The newest minutes are not whole yet; they are asked for later, once."""

FIRST = timedelta(hours=24)
LONGEST = timedelta(hours=24)
LISTED_AGAIN = timedelta(hours=1)
QUERIES = 500
_POINTS_A_CALL = 100_800

_TIMES = ("p50", "p90", "p99")
STATS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "AWS/ApiGateway": {
        "Count": ("Sum",),
        "4XXError": ("Sum",),  # REST
        "5XXError": ("Sum",),
        "4xx": ("Sum",),  # HTTP
        "5xx": ("Sum",),
        "ConnectCount": ("Sum",),  # WebSocket
        "MessageCount": ("Sum",),
        "ClientError": ("Sum",),
        "ExecutionError": ("Sum",),
        "IntegrationError": ("Sum",),
        "Latency": _TIMES,
        "IntegrationLatency": _TIMES,
    },
    "AWS/Lambda": {"Invocations": ("Sum",), "Errors": ("Sum",), "Throttles": ("Sum",), "Duration": _TIMES},
    "AWS/WAFV2": {"BlockedRequests": ("Sum",), "AllowedRequests": ("Sum",)},
    "AWS/Cognito": {"SignInSuccesses": ("Sum", "SampleCount"), "SignInThrottles": ("Sum",)},
    "AWS/Usage": {"CallCount": ("Sum",)},
}
"""What is asked for, at most five statistics of a metric: so many cost as one."""

_DIMENSIONS: Mapping[str, tuple[frozenset[str], ...]] = {
    "AWS/ApiGateway": (frozenset({"ApiName", "Stage"}), frozenset({"ApiId", "Stage"})),
    "AWS/Lambda": (frozenset({"FunctionName"}),),
    "AWS/WAFV2": (frozenset({"WebACL", "Region", "Rule"}),),
    "AWS/Cognito": (frozenset({"UserPool", "UserPoolClient"}),),
    "AWS/Usage": (frozenset({"Service", "Type", "Resource", "Class"}),),
}
"""One level of each: the same requests are counted at every level."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """points: POINTS of [since, until). cursor: where to go on, with what was listed."""

    points: pa.Table
    cursor: dict[str, JSON]


USAGE = ("AWS/Usage",)
"""Calls to API Gateway's own management, by operation: who uses up its quota. Asked for apart, if at all."""

TRAFFIC: tuple[str, ...] = tuple(name for name in STATS if name not in USAGE)


def pull_metrics(
    aws: Aws,
    region: str,
    cursor: Mapping[str, Any] | None,
    now: datetime,
    *,
    related: frozenset[str] = frozenset(),
    namespaces: Sequence[str] = TRAFFIC,
) -> Pulled | None:
    """The periods since the last look; None when none is over. related: functions, ACLs and pools that serve APIs."""
    known = dict(cursor or {})
    until = _floor(now - SETTLE)
    since = datetime.fromisoformat(known["until"]) if "until" in known else until - FIRST
    until = min(until, since + LONGEST)
    if until <= since:
        return None
    listed_at = datetime.fromisoformat(known["listed_at"]) if "listed_at" in known else None
    rows: list[dict[str, Any]] = []
    if listed_at is None or now - listed_at >= LISTED_AGAIN:
        listed = list(listed_series(Reader(aws, region), related, namespaces))
        if listed_at is not None:  # what began since then has not been asked for yet
            began = max(_floor(listed_at - SETTLE), until - LONGEST)
            fresh = [one for one in listed if one not in known["metrics"]]
            rows += _asked(aws, region, fresh, began, since) if began < since else ()
        known["metrics"], known["listed_at"] = listed, now.isoformat()
    rows += _asked(aws, region, known["metrics"], since, until)
    known["until"] = until.isoformat()
    return Pulled(pa.Table.from_pylist(rows, schema=POINTS), known)


def listed_series(
    reader: Reader, related: frozenset[str], namespaces: Sequence[str] = TRAFFIC
) -> Iterator[dict[str, JSON]]:
    """The metrics that have had data lately, each once."""
    seen = set()
    always = ("AWS/ApiGateway", *USAGE)
    for namespace in namespaces:
        wanted = STATS[namespace]
        if namespace not in always and not related:
            continue
        try:
            for page in reader.pages("cloudwatch", "list_metrics", "NextToken", Namespace=namespace):
                for metric in page.get("Metrics") or []:
                    named = {one["Name"]: one["Value"] for one in metric.get("Dimensions") or []}
                    key = (namespace, metric["MetricName"], dimensions_text(named))
                    if key in seen or metric["MetricName"] not in wanted or set(named) not in _DIMENSIONS[namespace]:
                        continue
                    if namespace not in always and not related & set(named.values()):
                        continue
                    if namespace in USAGE and named["Service"] != "API Gateway":
                        continue
                    seen.add(key)
                    yield {"namespace": namespace, "metric": metric["MetricName"], "dimensions": dict(named)}
        except Denied:
            if namespace in always:
                raise


def _asked(
    aws: Aws, region: str, metrics: Sequence[Mapping[str, Any]], since: datetime, until: datetime
) -> Iterator[dict[str, Any]]:
    """Rows of POINTS. A metric's statistics are in one call, so that they are billed as one."""
    groups: list[list[tuple[Mapping[str, Any], str]]] = [[]]
    periods = int((until - since).total_seconds()) // PERIOD_S
    most = min(QUERIES, max(_POINTS_A_CALL // max(periods, 1), 1))
    for metric in metrics:
        stats = STATS[metric["namespace"]][metric["metric"]]
        if len(groups[-1]) + len(stats) > most:
            groups.append([])
        groups[-1] += [(metric, stat) for stat in stats]
    for group in groups:
        if group:
            yield from _answers(Reader(aws, region), aws.account, group, since, until)


def _answers(
    reader: Reader, account: str, group: Sequence[tuple[Mapping[str, Any], str]], since: datetime, until: datetime
) -> Iterator[dict[str, Any]]:
    queries = [
        {
            "Id": f"q{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": metric["namespace"],
                    "MetricName": metric["metric"],
                    "Dimensions": [{"Name": name, "Value": value} for name, value in metric["dimensions"].items()],
                },
                "Period": PERIOD_S,
                "Stat": stat,
            },
        }
        for number, (metric, stat) in enumerate(group)
    ]
    asked = {"MetricDataQueries": queries, "StartTime": since, "EndTime": until, "ScanBy": "TimestampAscending"}
    for page in reader.pages("cloudwatch", "get_metric_data", "NextToken", **asked):
        for result in page.get("MetricDataResults") or []:
            if result.get("StatusCode") in {"InternalError", "Forbidden"}:
                raise SourceError(f"AWS {reader.region}: GetMetricData answered {result['StatusCode']} for a metric")
            metric, stat = group[int(result["Id"][1:])]
            for at, value in zip(result.get("Timestamps") or [], result.get("Values") or [], strict=True):
                yield {
                    "at": datetime.fromisoformat(at),
                    "period_s": PERIOD_S,
                    "account": account,
                    "region": reader.region,
                    "namespace": metric["namespace"],
                    "metric": metric["metric"],
                    "stat": stat,
                    "dimensions": dimensions_text(metric["dimensions"]),
                    "value": float(value),
                }


def _floor(at: datetime) -> datetime:
    return datetime.fromtimestamp(int(at.timestamp()) // PERIOD_S * PERIOD_S, UTC)
