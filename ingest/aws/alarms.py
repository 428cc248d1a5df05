"""CloudWatch alarms over API Gateway's metrics: which there are, and how their states went, as events."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from gatewatch.records import JSON, Change, ChangeEvent
from ingest.aws.reading import Reader
from ingest.aws.session import Aws

FIRST = timedelta(days=7)
LATE = timedelta(minutes=5)
SERVICE = "cloudwatch"
"""Of these events: an alarm tells that something is wrong, it breaks nothing."""

_NAMESPACE = "AWS/ApiGateway"
_LONGEST = 200


def pull_alarms(
    aws: Aws, region: str, until: datetime | None, now: datetime, apis: Mapping[str, str]
) -> list[ChangeEvent]:
    """What became of the alarms since the last good look. apis: name -> id, of names that one API alone has."""
    reader = Reader(aws, region)
    places = dict(_places(reader, apis))
    since = now - FIRST if until is None else until - LATE
    asked = {"StartDate": since, "EndDate": now, "MaxRecords": 100, "ScanBy": "TimestampAscending"}
    found: dict[str, ChangeEvent] = {}
    for page in reader.pages("cloudwatch", "describe_alarm_history", "NextToken", **asked) if places else ():
        for item in page.get("AlarmHistoryItems") or []:
            name, kind = str(item.get("AlarmName")), item.get("HistoryItemType")
            if name in places and kind in ("StateUpdate", "ConfigurationUpdate") and item.get("Timestamp"):
                event = _event(aws.account, region, item, places[name])
                found.setdefault(event.id, event)
    return sorted(found.values(), key=lambda event: (event.change.at, event.id))


def _places(reader: Reader, apis: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Name of each alarm over API Gateway -> the API and stage that it watches; of composites: their name."""
    mine: list[str] = []
    composites: list[Mapping[str, Any]] = []
    asked = {"AlarmTypes": ["MetricAlarm", "CompositeAlarm"], "MaxRecords": 100}
    for page in reader.pages("cloudwatch", "describe_alarms", "NextToken", **asked):
        composites += page.get("CompositeAlarms") or []
        for alarm in page.get("MetricAlarms") or []:
            metrics = [
                alarm,
                *((one.get("MetricStat") or {}).get("Metric") or {} for one in alarm.get("Metrics") or []),
            ]
            watched = next((one for one in metrics if one.get("Namespace") == _NAMESPACE), None)
            if watched is not None:
                mine.append(str(alarm["AlarmName"]))
                yield mine[-1], _place(watched, apis)
    for alarm in composites:
        rule = str(alarm.get("AlarmRule") or "")
        if any(re.search(rf"""["']?{re.escape(name)}["']?\s*\)""", rule) for name in mine):
            yield str(alarm["AlarmName"]), str(alarm["AlarmName"])


def _place(metric: Mapping[str, Any], apis: Mapping[str, str]) -> str:
    named = {str(one.get("Name")): str(one.get("Value")) for one in metric.get("Dimensions") or []}
    api = named.get("ApiId") or apis.get(named.get("ApiName", ""), named.get("ApiName", ""))
    return f"{api}/{named['Stage']}" if "Stage" in named else api or _NAMESPACE


def _event(account: str, region: str, item: Mapping[str, Any], place: str) -> ChangeEvent:
    name = str(item["AlarmName"])
    data = _data(item)
    old, new = (str((data.get(key) or {}).get("stateValue") or "") for key in ("oldState", "newState"))
    said = f"{old} -> {new}" if old and new else str(item.get("HistorySummary") or item["HistoryItemType"])
    detail: dict[str, JSON] = {"alarm": name, "before": old or None, "after": new or None}
    reason = (data.get("newState") or {}).get("stateReason")
    if isinstance(reason, str):
        detail["reason"] = reason[:1000]
    at = datetime.fromisoformat(str(item["Timestamp"]))
    return ChangeEvent(
        f"alarm:{region}:{name}:{item['HistoryItemType']}:{at.isoformat()}"[:_LONGEST],
        Change(at, f"alarm {name}: {said}"[:_LONGEST], "CloudWatch", place[:_LONGEST]),
        service=SERVICE,
        name=str(item["HistoryItemType"]),
        account=account,
        region=region,
        detail=detail,
    )


def _data(item: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found = json.loads(str(item.get("HistoryData") or "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
