"""An AWS account as a simulated world describes it: its APIs, changes, metrics and traces, answered over HTTP.

What moto keeps in ways of its own (ids of its choice, no trail, no percentiles, thin summaries) is answered from the
world's files, in the wire shapes of the services.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.awsdouble import Answer, Call

_V1 = {"resources": "resources", "stages": "stages", "authorizers": "authorizers"}
_MAPS = {"RouteSettings", "Tags", "StageVariables"}


class Account:
    """Answers of the account; `folder` is that of the world."""

    def __init__(self, folder: Path) -> None:
        self.inventory: Any = json.loads((folder / "inventory.json").read_text())
        self.changes, self.metrics, traces = (
            [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
            for name in ("changes", "metrics", "traces")
        )
        self.traces = {one["Id"]: one for one in traces}

    def __call__(self, call: Call) -> Answer | None:
        if call.service == "apigateway":
            return self._gateway(urlsplit(call.name.partition(" ")[2]).path)
        if call.name == "LookupEvents":
            return 200, {"Events": self._events(call.body)}
        if call.name == "ListMetrics":
            mine = [one for one in self.metrics if one["Namespace"] == call.body["Namespace"]]
            return 200, {
                "Metrics": [{key: one[key] for key in ("Namespace", "MetricName", "Dimensions")} for one in mine]
            }
        if call.name == "GetMetricData":
            return 200, {"MetricDataResults": [self._series(one, call.body) for one in call.body["MetricDataQueries"]]}
        if call.name.startswith("POST /TraceSummaries"):
            since, until = call.body["StartTime"], call.body["EndTime"]
            mine = [name for name in self.traces if since <= int(name.split("-")[1], 16) < until]
            told = [{"Id": name, "ResponseTime": self.traces[name]["Duration"]} for name in mine]
            return 200, {"TraceSummaries": told, "TracesProcessedCount": len(told)}
        if call.name.startswith("POST /Traces"):
            return 200, {"Traces": [self.traces[name] for name in call.body["TraceIds"]]}
        return None

    def _gateway(self, path: str) -> Answer:
        parts = path.strip("/").split("/")
        if parts[0] == "v2":
            return 200, {"items": [lowered(one) for one in self._second(parts[1:])]}
        if parts == ["account"]:
            return 200, {}
        if parts[-1] == "usage":
            return 200, {"values": {}}
        lists = {"restapis": "restApis", "usageplans": "usagePlans", "apikeys": "apiKeys", "domainnames": "domainNames"}
        listed: Any = self.inventory.get(lists.get(parts[0], ""), [])
        if len(parts) == 3 and parts[0] == "restapis":
            api = next(one for one in listed if one["id"] == parts[1])
            listed = api.get(_V1.get(parts[2], ""), [])
        elif parts[0] == "restapis":
            listed = [{key: value for key, value in one.items() if key not in _V1} for one in listed]
        return 200, {"item": listed}

    def _second(self, parts: list[str]) -> list[Any]:
        if parts[0] != "apis":
            return []
        apis = [*self.inventory["httpApis"], *self.inventory["webSocketApis"]]
        if len(parts) == 1:
            return [{key: value for key, value in one.items() if not isinstance(value, list)} for one in apis]
        api = next(one for one in apis if one["ApiId"] == parts[1])
        found: list[Any] = api.get(parts[2].capitalize(), [])
        return found

    def _events(self, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        source = asked["LookupAttributes"][0]["AttributeValue"]
        out = []
        for record in self.changes:
            at = datetime.fromisoformat(record["eventTime"]).timestamp()
            if record["eventSource"] == source and asked["StartTime"] <= at <= asked["EndTime"]:
                told = {"EventId": record["eventID"], "EventTime": at, "CloudTrailEvent": json.dumps(record)}
                out.append({**told, "ReadOnly": str(record.get("readOnly", False)).lower()})
        return out

    def _series(self, query: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
        stat = query["MetricStat"]
        wanted = (stat["Metric"]["Namespace"], stat["Metric"]["MetricName"], _named(stat["Metric"]["Dimensions"]))
        points = [
            (at, value)
            for one in self.metrics
            if (one["Namespace"], one["MetricName"], _named(one["Dimensions"])) == wanted
            and (one["Period"], one["Stat"]) == (stat["Period"], stat["Stat"])
            for text, value in zip(one["Timestamps"], one["Values"], strict=True)
            if asked["StartTime"] <= (at := _seconds(text)) < asked["EndTime"]
        ]
        ordered = sorted(points)
        return {
            "Id": query["Id"],
            "StatusCode": "Complete",
            "Timestamps": [at for at, _ in ordered],
            "Values": [value for _, value in ordered],
        }


def lowered(value: Any, *, inside: str = "") -> Any:
    """The v2 wire form: keys begin with a small letter; those of maps are the user's."""
    if isinstance(value, Mapping):
        return {
            key if inside in _MAPS else re.sub(r"\A.", lambda found: found[0].lower(), key): lowered(inner, inside=key)
            for key, inner in value.items()
        }
    return [lowered(one) for one in value] if isinstance(value, list) else value


def _named(dimensions: list[Mapping[str, str]]) -> list[tuple[str, str]]:
    return sorted((one["Name"], one["Value"]) for one in dimensions)


def _seconds(text: str | float) -> float:
    return float(text) if isinstance(text, int | float) else datetime.fromisoformat(text).astimezone(UTC).timestamp()
