"""CloudWatch metrics of a world: computed from the final calls, written as GetMetricData-like series, one a day.

Counts are by the minute, latencies and neighbours (Lambda, WAF) by five minutes. A minute without calls has no
datapoint. Metrics know the calls whose log lines were lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from gatewatch.simulate.calls import Calls
from gatewatch.simulate.inventory import function_name
from gatewatch.simulate.model import DAY_MS, MINUTE_MS, Api, Chunk, Floats, Ints, Mask, World
from gatewatch.simulate.outcomes import Outcome

FIVE_MS = 5 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Name:
    """Which series: namespace, metric, dimensions, statistic, period in ms, unit."""

    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...]
    stat: str
    period_ms: int = MINUTE_MS


@dataclass(frozen=True, slots=True)
class Points:
    """Datapoints of one series in one chunk: start of the period (epoch ms) and value."""

    name: Name
    at_ms: Ints
    value: Floats


def points(world: World, chunk: Chunk, calls: Calls) -> list[Points]:
    """All series of a chunk's calls (in order of time)."""
    if not len(calls):
        return []
    api = chunk.api
    found = list(_websocket(api, calls) if api.kind == "websocket" else _gateway(api, calls))
    found += _lambda(api, calls)
    if api.waf:
        found += _waf(world, calls)
    return found


def _gateway(api: Api, calls: Calls) -> Iterator[Points]:
    rest = api.kind == "rest"
    names = ("4XXError", "5XXError") if rest else ("4xx", "5xx")
    stage = (("ApiName", api.name) if rest else ("ApiId", api.id), ("Stage", api.stage))
    ones = np.ones(len(calls))
    minutes = _Periods(calls.at_ms, MINUTE_MS)
    yield minutes.sums(_name("Count", stage), ones)
    yield minutes.sums(_name(names[0], stage), (calls.status // 100 == 4).astype(float))
    yield minutes.sums(_name(names[1], stage), (calls.status // 100 == 5).astype(float))
    fives = _Periods(calls.at_ms, FIVE_MS)
    for stat, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        yield fives.quantiles(_name("Latency", stage, stat, FIVE_MS), calls.latency_ms, share)
    reached = calls.integration_ms >= 0
    if reached.any():
        back = _Periods(calls.at_ms[reached], FIVE_MS)
        for stat, share in (("p50", 0.5), ("p90", 0.9)):
            name = _name("IntegrationLatency", stage, stat, FIVE_MS)
            yield back.quantiles(name, calls.integration_ms[reached], share)
    if api.cache:
        cacheable = np.array([route.cacheable for route in api.routes])[calls.route] & (calls.route >= 0)
        yield fives.sums(_name("CacheHitCount", stage, "Sum", FIVE_MS), calls.cached.astype(float))
        yield fives.sums(_name("CacheMissCount", stage, "Sum", FIVE_MS), (cacheable & ~calls.cached).astype(float))
    if api.detailed_metrics:
        for place, route in enumerate(api.routes):
            mine = calls.route == place
            if mine.any():
                dimensions = (*stage, ("Method", route.method), ("Resource", route.resource))
                own = _Periods(calls.at_ms[mine], FIVE_MS)
                yield own.sums(_name("Count", dimensions, "Sum", FIVE_MS), np.ones(int(mine.sum())))
                failed = (calls.status[mine] // 100 == 5).astype(float)
                yield own.sums(_name("5XXError", dimensions, "Sum", FIVE_MS), failed)
                yield own.quantiles(_name("Latency", dimensions, "p90", FIVE_MS), calls.latency_ms[mine], 0.9)


def _websocket(api: Api, calls: Calls) -> Iterator[Points]:
    stage = (("ApiId", api.id), ("Stage", api.stage))
    minutes = _Periods(calls.at_ms, MINUTE_MS)
    kind = np.array([route.method for route in api.routes])[calls.route]
    known = calls.route >= 0
    gateway = (calls.outcome != Outcome.ANSWERED) & (calls.status // 100 == 4)
    failed = (calls.outcome != Outcome.ANSWERED) & (calls.status // 100 == 5)
    backend = (calls.outcome == Outcome.ANSWERED) & (calls.status >= 400)
    flags: Sequence[tuple[str, Mask]] = (
        ("ConnectCount", (kind == "CONNECT") & known),
        ("MessageCount", (kind == "MESSAGE") & known),
        ("ClientError", gateway),
        ("ExecutionError", failed),
        ("IntegrationError", backend),
    )
    for metric, flag in flags:
        yield minutes.sums(_name(metric, stage), flag.astype(float))
    reached = calls.integration_ms >= 0
    if reached.any():
        back = _Periods(calls.at_ms[reached], FIVE_MS)
        yield back.quantiles(_name("IntegrationLatency", stage, "p90", FIVE_MS), calls.integration_ms[reached], 0.9)


def _lambda(api: Api, calls: Calls) -> Iterator[Points]:
    """Of the functions behind the routes. Throttled invocations are no invocations."""
    names = [function_name(api, route) for route in api.routes]
    for function in sorted(set(names)):
        mine = np.array([name == function for name in names])[calls.route] & (calls.route >= 0)
        throttled = mine & (calls.outcome == Outcome.LAMBDA_THROTTLED)
        invoked = mine & (calls.integration_ms >= 0) & ~throttled & (calls.outcome != Outcome.INTEGRATION_FORBIDDEN)
        if not invoked.any() and not throttled.any():
            continue
        dimensions = (("FunctionName", function),)
        here = _Periods(calls.at_ms[invoked], FIVE_MS)
        crashed = (calls.outcome == Outcome.MALFORMED_ANSWER) | (calls.outcome == Outcome.INTEGRATION_TIMEOUT)
        if invoked.any():
            yield here.sums(_name("Invocations", dimensions, "Sum", FIVE_MS, "AWS/Lambda"), np.ones(int(invoked.sum())))
            yield here.sums(_name("Errors", dimensions, "Sum", FIVE_MS, "AWS/Lambda"), crashed[invoked].astype(float))
            took = np.maximum(calls.integration_ms - calls.cold_ms, 0)[invoked]
            yield here.quantiles(_name("Duration", dimensions, "p90", FIVE_MS, "AWS/Lambda"), took, 0.9)
        if throttled.any():
            there = _Periods(calls.at_ms[throttled], FIVE_MS)
            yield there.sums(
                _name("Throttles", dimensions, "Sum", FIVE_MS, "AWS/Lambda"), np.ones(int(throttled.sum()))
            )


def _waf(world: World, calls: Calls) -> Iterator[Points]:
    """Of the web ACL; missing where it is zero."""
    dimensions = (("Region", world.region), ("Rule", "ALL"), ("WebACL", "edge"))
    blocked = calls.outcome == Outcome.WAF_BLOCK
    for metric, mine in (("AllowedRequests", (calls.waf_ms >= 0) & ~blocked), ("BlockedRequests", blocked)):
        if mine.any():
            periods = _Periods(calls.at_ms[mine], FIVE_MS)
            yield periods.sums(_name(metric, dimensions, "Sum", FIVE_MS, "AWS/WAFV2"), np.ones(int(mine.sum())))


def _name(
    metric: str,
    dimensions: tuple[tuple[str, str], ...],
    stat: str = "Sum",
    period_ms: int = MINUTE_MS,
    namespace: str = "AWS/ApiGateway",
) -> Name:
    return Name(namespace, metric, dimensions, stat, period_ms)


class _Periods:
    """Calls (in order of time) cut into periods; only those with a call count."""

    def __init__(self, at_ms: Ints, period_ms: int) -> None:
        number = at_ms // period_ms
        self.first = np.flatnonzero(np.diff(number, prepend=-1))
        self.at_ms: Ints = number[self.first] * period_ms
        self.number = np.repeat(np.arange(len(self.first)), np.diff(np.append(self.first, len(number))))
        self.count = np.diff(np.append(self.first, len(number)))

    def sums(self, name: Name, values: Floats) -> Points:
        return Points(name, self.at_ms, np.add.reduceat(values, self.first))

    def quantiles(self, name: Name, values: npt.NDArray[np.int32], share: float) -> Points:
        """The smallest value that has at least this share of the period's values at or below it."""
        order = np.lexsort((values, self.number))
        place = self.first + np.maximum(np.ceil(share * self.count).astype(np.int64) - 1, 0)
        return Points(name, self.at_ms, values[order[place]].astype(float))


def _order(name: Name) -> tuple[str, str, tuple[tuple[str, str], ...], str]:
    return name.namespace, name.metric, name.dimensions, name.stat


class Series:
    """Points of one API's chunks, gathered to be written as one record a series and day."""

    def __init__(self) -> None:
        self._points: dict[Name, list[Points]] = {}

    def add(self, several: Sequence[Points]) -> None:
        for one in several:
            self._points.setdefault(one.name, []).append(one)

    def lines(self, account: str, text: Callable[[int], str]) -> Iterator[str]:
        """JSON lines. text: epoch ms -> ISO 8601. Every period lies in one chunk, for chunks are whole five minutes."""
        for number, name in enumerate(sorted(self._points, key=_order)):
            at = np.concatenate([one.at_ms for one in self._points[name]])
            value = np.concatenate([one.value for one in self._points[name]])
            head = {
                "Id": f"m{number}",
                "AccountId": account,
                "Namespace": name.namespace,
                "MetricName": name.metric,
                "Dimensions": [{"Name": key, "Value": word} for key, word in name.dimensions],
                "Period": name.period_ms // 1000,
                "Stat": name.stat,
            }
            for day in np.unique(at // DAY_MS).tolist():
                mine = at // DAY_MS == day
                times = ",".join(f'"{text(one)}"' for one in at[mine].tolist())
                values = ",".join(f"{one:g}" for one in value[mine].tolist())
                yield json.dumps(head, separators=(",", ":"))[:-1] + f',"Timestamps":[{times}],"Values":[{values}]}}\n'


def iso_text(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
