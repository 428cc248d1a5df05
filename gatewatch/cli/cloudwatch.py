"""Bodies for CloudWatch: a dashboard and alarms over its own metrics of our stages, with our limits.

Kept to its documented bounds: 500 widgets a dashboard on a grid of 24, names of 255 characters, descriptions of 1,024,
five actions a state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gatewatch.records import ApiType

if TYPE_CHECKING:
    from detect.limits import Limits
    from ingest.stagelogs import StageLog

MOST_WIDGETS = 500
WIDGETS_A_STAGE = 4
PERIOD_S = 300
_NAMES: Mapping[ApiType, tuple[str, str, str, str]] = {
    ApiType.REST: ("Count", "4XXError", "5XXError", "Latency"),
    ApiType.HTTP: ("Count", "4xx", "5xx", "Latency"),
    ApiType.WEBSOCKET: ("MessageCount", "ClientError", "ExecutionError", "IntegrationLatency"),
}
"""Names of requests, errors of callers, errors of the server, and latency."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """What differs between alarms. learned: False where AWS's recommendation stands in for what was not seen yet."""

    what: str
    metric: str
    statistic: str
    threshold: float
    periods: int
    below: bool
    learned: bool


def stages_of(logs: Sequence[StageLog]) -> list[StageLog]:
    """Stages that CloudWatch has metrics of, one after the other."""
    return [log for log in logs if log.stage and log.api_type in _NAMES]


def alarms(logs: Sequence[StageLog], limits: Mapping[tuple[str, str], Limits], actions: Sequence[str]) -> list[Any]:
    """Inputs of PutMetricAlarm, a few for each stage. limits: by API and stage."""
    out = []
    for log in stages_of(logs):
        for one in _alarms(log, limits.get((log.api, log.stage))):
            learned = (
                "learned by gatewatch from the stage's own traffic"
                if one.learned
                else "AWS's recommendation; gatewatch has not seen enough of the stage yet"
            )
            told: dict[str, Any] = {
                "AlarmName": _ascii(f"gatewatch {log.name} {log.api}/{log.stage} {one.what}")[:255],
                "AlarmDescription": _ascii(f"{one.what} of {log.name}/{log.stage}; threshold {learned}")[:1024],
                "ActionsEnabled": True,
                "AlarmActions": list(actions),
                "OKActions": list(actions),
                "Namespace": "AWS/ApiGateway",
                "MetricName": one.metric,
                "Dimensions": _dimensions(log),
                "Period": PERIOD_S,
                "EvaluationPeriods": one.periods,
                "DatapointsToAlarm": one.periods,
                "Threshold": one.threshold,
                "ComparisonOperator": "LessThanThreshold" if one.below else "GreaterThanThreshold",
                # Without a request there is no datapoint: silence is what the floor watches for.
                "TreatMissingData": "breaching" if one.below else "notBreaching",
            }
            told["ExtendedStatistic" if one.statistic.startswith("p") else "Statistic"] = one.statistic
            out.append(told)
    return out


def _alarms(log: StageLog, known: Limits | None) -> list[Alarm]:
    count, client, server, latency = _NAMES[log.api_type]
    out = []
    if known is not None and known.server_errors is not None:
        out.append(Alarm("server errors", server, "Sum", known.server_errors, 1, False, True))
    else:
        out.append(Alarm("server errors", server, "Average", 0.05, 3, False, False))
    if known is not None and known.client_errors is not None:
        out.append(Alarm("refused requests", client, "Sum", known.client_errors, 1, False, True))
    else:
        out.append(Alarm("refused requests", client, "Average", 0.05, 5, False, False))
    if known is not None and known.p95_ms is not None:
        out.append(Alarm("slow answers", latency, "p95", known.p95_ms, 3, False, True))
    else:
        out.append(Alarm("slow answers", latency, "p90", 2500.0, 5, False, False))
    if known is not None and known.least is not None:
        out.append(Alarm("too few requests", count, "Sum", known.least, 2, True, True))
    return out


def dashboard(logs: Sequence[StageLog], limits: Mapping[tuple[str, str], Limits]) -> tuple[dict[str, Any], int]:
    """A dashboard body, and how many stages did not fit."""
    chosen = stages_of(logs)
    most = (MOST_WIDGETS - 1) // WIDGETS_A_STAGE
    title = "# gatewatch\nRequests, errors and latency of each stage; the lines are the limits that gatewatch learned."
    widgets: list[dict[str, Any]] = [
        {"type": "text", "x": 0, "y": 0, "width": 24, "height": 2, "properties": {"markdown": title}}
    ]
    y = 2
    for log in chosen[:most]:
        known = limits.get((log.api, log.stage))
        row = [_metrics(log, known, part) for part in ("requests", "errors", "latency")]
        causes = _causes(log)
        row += [causes] if causes is not None else []
        width = 24 // len(row)
        for place, widget in enumerate(row):
            widgets.append({**widget, "x": place * width, "y": y, "width": width, "height": 6})
        y += 6
    return {"start": "-P1D", "periodOverride": "inherit", "widgets": widgets}, max(len(chosen) - most, 0)


def cloudformation(resources: Mapping[str, tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """A template of name -> (type, properties)."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "What gatewatch exports for CloudWatch",
        "Resources": {name: {"Type": kind, "Properties": dict(told)} for name, (kind, told) in resources.items()},
    }


def _dimensions(log: StageLog) -> list[dict[str, str]]:
    if log.api_type is ApiType.REST:
        name = re.sub(r"[^\x20-\x7e]", "", log.name).strip() or log.api
        return [{"Name": "ApiName", "Value": name}, {"Name": "Stage", "Value": log.stage}]
    return [{"Name": "ApiId", "Value": log.api}, {"Name": "Stage", "Value": log.stage}]


def _metrics(log: StageLog, known: Limits | None, part: str) -> dict[str, Any]:
    count, client, server, latency = _NAMES[log.api_type]
    where = [text for one in _dimensions(log) for text in (one["Name"], one["Value"])]
    lines: list[tuple[str, float | int | None]] = []
    if part == "requests":
        metrics: list[Any] = [["AWS/ApiGateway", count, *where, {"stat": "Sum", "label": "requests"}]]
        lines = [("fewest", known.least if known else None)]
    elif part == "errors":
        metrics = [
            ["AWS/ApiGateway", client, *where, {"stat": "Sum", "label": "refused"}],
            ["AWS/ApiGateway", server, *where, {"stat": "Sum", "label": "server errors"}],
        ]
        if known:
            lines = [("refused, limit", known.client_errors), ("server errors, limit", known.server_errors)]
    else:
        metrics = [["AWS/ApiGateway", latency, *where, {"stat": stat, "label": stat}] for stat in ("p50", "p95", "p99")]
        lines = [("p95, limit", known.p95_ms if known else None)]
    properties: dict[str, Any] = {
        "region": log.region or "us-east-1",
        "title": _ascii(f"{log.name}/{log.stage}: {part}")[:255],
        "view": "timeSeries",
        "stacked": False,
        "period": PERIOD_S,
        "metrics": metrics,
    }
    told = [{"label": label, "value": value} for label, value in lines if value is not None]
    if told:
        properties["annotations"] = {"horizontal": told}
    return {"type": "metric", "properties": properties}


def _causes(log: StageLog) -> dict[str, Any] | None:
    """Refusals by their cause, out of the access log; None where it is no JSON in a log group."""
    group = re.search(r":log-group:([^:]+)", log.destination)
    try:
        keys = json.loads(log.template or "")
    except ValueError:
        return None
    if group is None or not isinstance(keys, dict) or "'" in group[1]:
        return None
    by = {str(value).strip("$").removeprefix("context."): key for key, value in keys.items()}
    status, cause = by.get("status"), by.get("error.responseType")
    if status is None or any("`" in name for name in (status, cause or "")):
        return None
    chosen = cause or status
    query = (
        f"SOURCE '{group[1]}' | filter `{status}` >= 400 | stats count(*) as requests by `{chosen}` "
        "| sort requests desc | limit 20"
    )
    properties = {
        "region": log.region or "us-east-1",
        "title": _ascii(f"{log.name}/{log.stage}: why refused")[:255],
        "query": query,
        "view": "table",
    }
    return {"type": "log", "properties": properties}


def _ascii(text: str) -> str:
    """Names and titles are shown by others: printable ASCII only."""
    return re.sub(r"[^\x20-\x7e]", "?", text)
