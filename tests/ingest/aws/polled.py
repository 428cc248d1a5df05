"""What there is to poll in a double: for each source a small world with known contents, and what must come of it."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from gatewatch.store.changes import changes
from gatewatch.store.points import read_points
from gatewatch.store.spans import read_spans
from gatewatch.store.state import State
from gatewatch.surroundings import Kept, keep, known_inventory
from ingest.aws.trail import SOURCES
from tests.awsdouble import Answer, Call
from tests.ingest.aws.faults import Listing

REGION = "eu-west-1"
START = datetime(2026, 6, 9, 12, 0, tzinfo=UTC)
HOURS = 2
STEP = timedelta(minutes=10)

Things = Counter[Any]
Listings = Callable[[Call, float], "Listing | Answer | None"]


@dataclass(frozen=True)
class Case:
    """listings: see faults.World. due: what has to be in the store at the end, each once; found: what is.

    told: how many new things the polls have said they kept; None where that is not counted one by one.
    """

    sources: tuple[str, ...]
    listings: Listings
    due: Things
    found: Callable[[State], Things]
    told: Callable[[Iterable[Kept]], int] | None
    before: Callable[[State], None] = lambda state: None


def at(chance: random.Random, least: float = -3000, most: float = 5400) -> datetime:
    return START + timedelta(seconds=chance.uniform(least, most))


def stored_changes(state: State) -> Things:
    with state.read() as session:
        return Counter(one.id for one in changes(session))


def told_changes(kept: Iterable[Kept]) -> int:
    return sum(one.changes for one in kept)


def trail(chance: random.Random) -> Case:
    """LookupEvents, newest first; events can be seen up to 14 minutes late."""
    events: list[tuple[float, float, str, dict[str, Any]]] = []
    for number in range(600):
        when, service = at(chance), chance.choice(SOURCES)
        record = {
            "eventID": f"e{number}",
            "eventName": "UpdateStage",
            "eventSource": service,
            "eventTime": when.isoformat(),
            "userIdentity": {"arn": "arn:aws:iam::123456789012:user/ann"},
            "requestParameters": {"restApiId": "a1b2c3d4e5", "stageName": "prod"},
        }
        told = {"EventId": f"e{number}", "ReadOnly": "false", "CloudTrailEvent": json.dumps(record)}
        seen = when.timestamp() + 60 * chance.choice((0.2, 1, 5, 14))
        events.append((when.timestamp(), seen, service, {**told, "EventTime": when.timestamp()}))
    events.sort(key=lambda one: -one[0])

    def listings(call: Call, now: float) -> Listing | None:
        if call.name != "LookupEvents":
            return None
        begin, end = call.body["StartTime"], call.body["EndTime"]
        wanted = call.body["LookupAttributes"][0]["AttributeValue"]
        found = [told for when, seen, service, told in events if begin <= when <= end and seen <= now >= when]
        found = [one for one in found if json.loads(one["CloudTrailEvent"])["eventSource"] == wanted]
        return Listing(found, call.body.get("NextToken"), 50, "Events")

    due = Counter(f"e{number}" for number in range(len(events)))
    return Case(("changes",), listings, due, stored_changes, told_changes)


def alarms(chance: random.Random) -> Case:
    """DescribeAlarms in pages, and a history in which several alarms move in the same millisecond."""
    names = [f"alarm-{number}" for number in range(30)]
    where = [{"Name": "ApiId", "Value": "a1b2c3d4e5"}, {"Name": "Stage", "Value": "prod"}]
    watched = [{"AlarmName": name, "Namespace": "AWS/ApiGateway", "Dimensions": where} for name in names]
    moments = [round(at(chance).timestamp(), 3) for _ in range(40)]
    history: list[dict[str, Any]] = [
        {"AlarmName": name, "HistoryItemType": "StateUpdate", "Timestamp": moment, "HistorySummary": "OK to ALARM"}
        for moment in sorted(moments)
        for name in chance.sample(names, 5)
    ]

    def listings(call: Call, now: float) -> Listing | None:
        if call.name == "DescribeAlarms":
            return Listing(watched, call.body.get("NextToken"), 20, "MetricAlarms")
        if call.name == "DescribeAlarmHistory":
            begin, end = call.body["StartDate"], call.body["EndDate"]
            found = [one for one in history if begin <= one["Timestamp"] <= min(end, now)]
            return Listing(found, call.body.get("NextToken"), 20, "AlarmHistoryItems")
        return None

    def due(one: dict[str, Any]) -> str:
        when = datetime.fromtimestamp(one["Timestamp"], UTC)
        return f"alarm:{REGION}:{one['AlarmName']}:StateUpdate:{when.isoformat()}"

    return Case(("alarms",), listings, Counter(map(due, history)), stored_changes, told_changes)


def recorder(chance: random.Random) -> Case:
    """GetResourceConfigHistory of four APIs; each item differs from the one before."""
    apis = [f"rest{number:06d}" for number in range(4)]
    items: dict[str, list[dict[str, Any]]] = {}
    for api in apis:
        moments = sorted(round(at(chance, -2 * 86_400).timestamp(), 3) for _ in range(60))
        items[api] = [
            {
                "configurationItemCaptureTime": moment,
                "configurationItemStatus": "OK",
                "configuration": json.dumps({"name": f"version {number}"}),
            }
            for number, moment in enumerate(moments)
        ]

    def listings(call: Call, now: float) -> Listing | None:
        if call.name != "GetResourceConfigHistory":
            return None
        asked = call.body
        since, until = asked.get("earlierTime", 0.0), min(asked["laterTime"], now)
        found = [one for one in items[asked["resourceId"]] if since <= one["configurationItemCaptureTime"] <= until]
        if asked["chronologicalOrder"] == "Reverse":
            return Listing(found[::-1][:1], asked.get("nextToken"), 1, "configurationItems", "nextToken")
        return Listing(found, asked.get("nextToken"), 25, "configurationItems", "nextToken")

    def due(api: str, one: dict[str, Any]) -> str:
        when = datetime.fromtimestamp(one["configurationItemCaptureTime"], UTC)
        return f"config:AWS::ApiGateway::RestApi:{api}:{when.isoformat()}"

    def before(state: State) -> None:
        document: Any = {"accountId": "123456789012", "region": REGION, "restApis": [{"id": api} for api in apis]}
        keep(state, now=START, source="test", inventory=document)

    wanted = Counter(due(api, one) for api, listed in items.items() for one in listed[1:])
    return Case(("config",), listings, wanted, stored_changes, told_changes, before)


def counts(chance: random.Random) -> Case:
    """GetMetricData of several series in pages that cut through them; points can be seen up to four minutes late."""
    series = [("AWS/ApiGateway", name, f"api{n}") for n in range(6) for name in ("Count", "4xx", "5xx")]
    first = START - timedelta(minutes=50)
    points = {
        (*one, int((first + timedelta(minutes=minute)).timestamp())): float(chance.randrange(1, 1000))
        for one in series
        for minute in range(140)
        if chance.random() < 0.7
    }
    late = {key: chance.choice((0, 30, 120, 240)) for key in points}

    def listings(call: Call, now: float) -> Listing | None:
        if call.name == "ListMetrics":
            listed = [
                {"Namespace": space, "MetricName": name, "Dimensions": _dimensions(api)}
                for space, name, api in series
                if space == call.body["Namespace"]
            ]
            return Listing(listed, call.body.get("NextToken"), 5, "Metrics")
        if call.name != "GetMetricData":
            return None
        rows = []
        for query in call.body["MetricDataQueries"]:
            metric = query["MetricStat"]["Metric"]
            api = next(one["Value"] for one in metric["Dimensions"] if one["Name"] == "ApiId")
            for moment in range(int(call.body["StartTime"]), int(call.body["EndTime"]), 60):
                key = (metric["Namespace"], metric["MetricName"], api, moment)
                if key in points and moment + 60 + late[key] <= now:
                    rows.append((query["Id"], moment, points[key]))
        return Listing(rows, call.body.get("NextToken"), 300, shape=_results)

    def found(state: State) -> Things:
        return Counter(
            (row["metric"], json.loads(row["dimensions"])["ApiId"], int(row["at"].timestamp()), row["value"])
            for row in read_points(state).to_pylist()
        )

    due = Counter((name, api, moment, value) for (_, name, api, moment), value in points.items())
    return Case(("metrics",), listings, due, found, lambda kept: sum(one.points for one in kept))


def _dimensions(api: str) -> list[dict[str, str]]:
    return [{"Name": "ApiId", "Value": api}, {"Name": "Stage", "Value": "prod"}]


def _results(rows: list[Any], more: bool) -> dict[str, Any]:
    by_id: dict[str, tuple[list[int], list[float]]] = {}
    for ident, moment, value in rows:
        times, values = by_id.setdefault(ident, ([], []))
        times.append(moment)
        values.append(value)
    status = "PartialData" if more else "Complete"
    return {
        "MetricDataResults": [
            {"Id": ident, "Timestamps": times, "Values": values, "StatusCode": status}
            for ident, (times, values) in by_id.items()
        ]
    }


def traces(chance: random.Random) -> Case:
    """Traces that show up late by their update time, some before they have ended; and ids that are not processed."""
    whole: dict[str, tuple[float, float, list[float]]] = {}
    for number in range(250):
        began = at(chance).timestamp()
        updates = [began + chance.uniform(1, 40)]
        if chance.random() < 0.15:
            updates.append(updates[0] + chance.uniform(60, 900))
        whole[f"1-{int(began):08x}-{number:024x}"] = began, round(chance.uniform(0.01, 2.0), 3), updates

    def listings(call: Call, now: float) -> Listing | Answer | None:
        if call.name.startswith("POST /TraceSummaries"):
            begin, end = call.body["StartTime"], call.body["EndTime"]
            listed = [
                {"Id": ident, "ResponseTime": took, "ServiceIds": [{"Type": "AWS::ApiGateway::Stage"}]}
                for ident, (_, took, updates) in whole.items()
                if any(begin <= one < end and one <= now for one in updates)
            ]
            return Listing(listed, call.body.get("NextToken"), 20, "TraceSummaries")
        if not call.name.startswith("POST /Traces"):
            return None
        given: list[str] = []
        refused: list[str] = []
        for ident in call.body["TraceIds"]:
            (refused if chance.random() < 0.05 else given).append(ident)
        items = [_trace(ident, *whole[ident], now) for ident in given]
        return 200, {"Traces": items, "UnprocessedTraceIds": refused}

    def found(state: State) -> Things:
        rows = read_spans(state).to_pylist()
        return Counter((row["trace_id"], round(row["total_ms"])) for row in rows)

    due = Counter((ident, round(took * 1000)) for ident, (_, took, _) in whole.items())
    return Case(("traces",), listings, due, found, lambda kept: sum(one.spans for one in kept))


def _trace(ident: str, began: float, took: float, updates: list[float], now: float) -> dict[str, Any]:
    done = updates[-1] <= now
    document = {
        "id": "5f3a8d2c1b0e4a77",
        "name": "orders/prod",
        "trace_id": ident,
        "origin": "AWS::ApiGateway::Stage",
        "start_time": began,
        "http": {"request": {"url": "https://x/prod/pets", "method": "GET"}, "response": {"status": 200}},
        "aws": {"api_gateway": {"rest_api_id": "a1b2c3d4e5", "stage": "prod"}},
        **({"end_time": began + took} if done else {"in_progress": True}),
    }
    return {"Id": ident, "Segments": [{"Id": "5f3a8d2c1b0e4a77", "Document": json.dumps(document)}]}


def estate(chance: random.Random) -> Case:
    """REST and HTTP APIs in pages, one of which is deleted while they are read."""
    rest = [{"id": f"rest{number:06d}", "name": f"orders {number}"} for number in range(7)]
    http = [{"apiId": f"http{number:06d}", "name": f"pets {number}", "protocolType": "HTTP"} for number in range(5)]
    gone = rest[3]["id"]
    resources = {one["id"]: [{"id": f"r{n}", "path": f"/p{n}"} for n in range(60)] for one in rest}
    routes = [{"routeId": f"r{n}", "routeKey": f"GET /p{n}"} for n in range(45)]
    below: dict[str, list[dict[str, Any]]] = {"stages": [{"stageName": "prod"}]}

    def listings(call: Call, now: float) -> Listing | Answer | None:
        if call.service != "apigateway":
            return None
        parts = urlsplit(call.name.removeprefix("GET "))
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path = unquote(parts.path)
        if path == "/account":
            return 200, {"throttleSettings": {"rateLimit": 10_000.0, "burstLimit": 5000}}
        if path.startswith("/v2/"):
            kind = path.rsplit("/", 1)[-1]
            listed = http if kind == "apis" else routes if kind == "routes" else []
            return Listing(listed, asked.get("nextToken"), 20, "items", "nextToken")
        inner = re.fullmatch(r"/restapis/(\w+)/(\w+)", path)
        if inner is None:
            listed = rest if path == "/restapis" else []
        elif inner[1] == gone:
            return 404, {"__type": "NotFoundException", "message": "Invalid API identifier specified"}
        else:
            listed = resources[inner[1]] if inner[2] == "resources" else below.get(inner[2], [])
            if inner[2] == "stages":
                return 200, {"item": listed}
        return Listing(listed, asked.get("position"), 25, "item", "position")

    def found(state: State) -> Things:
        document: Any = known_inventory(state) or {}
        out: Things = Counter()
        for api in document.get("restApis", ()):
            out.update((api["id"], one["path"]) for one in api["resources"])
            out.update((api["id"], one["stageName"]) for one in api["stages"])
        for api in document.get("httpApis", ()):
            out.update((api["ApiId"], one["RouteKey"]) for one in api["Routes"])
        return out

    due: Things = Counter((one["id"], f"/p{n}") for one in rest if one["id"] != gone for n in range(60))
    due.update((one["id"], "prod") for one in rest if one["id"] != gone)
    due.update((one["apiId"], f"GET /p{n}") for one in http for n in range(45))
    return Case(("inventory",), listings, due, found, lambda kept: sum(one.inventory for one in kept))


CASES: dict[str, Callable[[random.Random], Case]] = {
    "changes": trail,
    "alarms": alarms,
    "config": recorder,
    "metrics": counts,
    "traces": traces,
    "inventory": estate,
}
