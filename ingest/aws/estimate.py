"""What a source will cost before it is switched on: calls and list price a month, by the schedule and what is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from ingest.aws import prices
from ingest.aws.metrics import LISTED_AGAIN, STATS
from ingest.aws.trail import SOURCES as TRAIL_SOURCES
from ingest.aws.xray import MOST as MOST_TRACES

MONTH = timedelta(days=30)
OPERATIONS = 30
"""Different calls to API Gateway's management in use at a time."""

SERIES_A_STAGE = 5
"""Metrics of a stage, where they could not be listed."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of a month. nanos: list price in billionths of a dollar; most: it may be less, never more."""

    source: str
    calls: int
    nanos: int
    why: str
    most: bool = False

    @property
    def dollars(self) -> float:
        return self.nanos / prices.NANO

    def __str__(self) -> str:
        about = "at most" if self.most else "about"
        return f"{self.source}: about {self.calls:,} calls and {about} ${self.dollars:,.2f} a month ({self.why})"


@dataclass(frozen=True, slots=True)
class There:
    """What there is to be asked for in one region. metrics: namespace and name of each series; None: not known."""

    rest_apis: int = 0
    other_apis: int = 0
    stages: int = 0
    metrics: tuple[tuple[str, str], ...] | None = None


def estimate(sources: Iterable[str], every: Mapping[str, timedelta], there: Mapping[str, There]) -> list[Estimate]:
    """One for each source. every: how often each is asked. there: by region."""
    out = []
    for source in sources:
        if source not in every:
            continue  # keys come with the inventory
        times = round(MONTH / every[source])
        if source == "inventory":
            calls = sum(12 + 7 * one.rest_apis + 5 * one.other_apis for one in there.values())
            apis = sum(one.rest_apis + one.other_apis for one in there.values())
            out.append(Estimate(source, calls * times, 0, f"{apis} APIs, reads of API Gateway are free"))
        elif source == "changes":
            calls = len(TRAIL_SOURCES) * len(there) * times
            out.append(Estimate(source, calls, 0, "LookupEvents is free"))
        elif source == "config":
            things = sum(2 * (one.rest_apis + one.other_apis) for one in there.values())
            out.append(
                Estimate(source, things * times, 0, "the history of AWS Config is free to read; its recorder is not")
            )
        elif source == "alarms":
            calls = 2 * len(there) * times
            nanos = calls * prices.before("cloudwatch", "DescribeAlarms", {})
            out.append(Estimate(source, calls, nanos, "a DescribeAlarms and a DescribeAlarmHistory in each region"))
        elif source == "usage":
            nanos = OPERATIONS * prices.METRIC * len(there) * times
            out.append(Estimate(source, 2 * len(there) * times, nanos, f"{OPERATIONS} operations assumed", most=True))
        elif source == "metrics":
            out.append(_metrics(there, times))
        elif source == "traces":
            calls = (1 + MOST_TRACES // 5) * len(there) * times
            nanos = prices.TRACE * 2 * MOST_TRACES * len(there) * times
            why = f"{MOST_TRACES:,} traces each time in each region, scanned and fetched"
            out.append(Estimate(source, calls, nanos, why, most=True))
    return out


def estimate_logs(kind: str, every: timedelta, *, queue: bool = False, objects_a_day: int = 288) -> Estimate:
    """A log source. objects_a_day: one each five minutes, as Firehose makes them."""
    times = round(MONTH / every)
    if kind == "cloudwatch_logs":
        return Estimate("logs", times, 0, "FilterLogEvents is free; at least one call a look")
    if kind == "eventbridge":
        nanos = times * prices.before("sqs", "ReceiveMessage", {})
        return Estimate("logs", times, nanos, "a ReceiveMessage each look; two more calls for ten changes")
    if kind not in ("s3", "cloudtrail"):
        return Estimate("logs", 0, 0, "folders cost nothing")
    operation = ("sqs", "ReceiveMessage") if queue else ("s3", "ListObjectsV2")
    objects = objects_a_day * MONTH.days
    nanos = times * prices.before(*operation, {}) + objects * prices.before("s3", "GetObject", {})
    nanos += objects * prices.before("sqs", "DeleteMessage", {}) if queue else 0
    why = f"a {operation[1]} each look and a GetObject for each of {objects_a_day} objects a day"
    return Estimate("logs", times + objects, nanos, why)


def _metrics(there: Mapping[str, There], times: int) -> Estimate:
    """As GetMetricData bills: five statistics of a metric and period as one, each minute asked once."""
    calls = nanos = series = 0
    known = True
    for one in there.values():
        metrics = one.metrics
        if metrics is None:
            known = False
            metrics = (("AWS/ApiGateway", "Count"),) * (SERIES_A_STAGE * one.stages)
        billed = sum(-(-len(STATS[space][name]) // prices.STATS_A_METRIC) for space, name in metrics)
        queries = sum(len(STATS[space][name]) for space, name in metrics)
        pages = max(-(-queries // 500), 1) if metrics else 0
        listings = round(MONTH / LISTED_AGAIN) * max(-(-len(metrics) // 500), 1)
        calls += pages * times + listings
        nanos += billed * prices.METRIC * times + listings * prices.before("cloudwatch", "ListMetrics", {})
        series += len(metrics)
    why = f"{series:,} series, as listed" if known else f"{series:,} series assumed, {SERIES_A_STAGE} a stage"
    return Estimate("metrics", calls, nanos, why)
