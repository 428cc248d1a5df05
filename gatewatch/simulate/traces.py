"""X-Ray traces of a sample of the calls, as BatchGetTraces gives them; layers take the time that the calls say."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from gatewatch.simulate.calls import Calls
from gatewatch.simulate.inventory import authorizer_name, function_name
from gatewatch.simulate.model import HOUR_MS, Chunk, Ints, Route, World
from gatewatch.simulate.people import AGENTS
from gatewatch.simulate.render import Bits, Lines, host

SHARE = 0.05
MOST_AN_HOUR = 20
"""X-Ray keeps a call a second and 5 %; what people export is a sample of it."""


def traces(world: World, chunk: Chunk, calls: Calls, bits: Bits) -> bytes:
    """JSON lines of the traces of a chunk; nothing for APIs without tracing. calls: in order of time."""
    if not chunk.api.tracing or not len(calls):
        return b""
    rows = _sampled(calls, world.rng("traces", chunk.api.index, chunk.number))
    lines = Lines(world, chunk.api, calls.take(rows), bits[rows])
    columns = [
        lines[name].to_pylist()
        for name in ("xrayTraceId", "requestId", "extendedRequestId", "path", "identity.sourceIp", "httpMethod")
    ]
    out = []
    for place, values in enumerate(zip(*columns, strict=True)):
        out.append(orjson.dumps(_trace(lines, place, *values)) + b"\n")
    return b"".join(out)


def _sampled(calls: Calls, rng: np.random.Generator) -> Ints:
    """At most so many calls of each hour, and at most that share of them (but one)."""
    hour = calls.at_ms // HOUR_MS
    edges = np.flatnonzero(np.diff(hour, prepend=-1))
    chosen = []
    for first, last in zip(edges.tolist(), [*edges.tolist()[1:], len(hour)], strict=True):
        size = min(MOST_AN_HOUR, -(-(last - first) // round(1 / SHARE)))
        chosen.append(first + np.sort(rng.choice(last - first, size, replace=False)))
    return np.concatenate(chosen)


def _trace(
    lines: Lines, place: int, trace: str, request: str, extended: str, path: str, address: str, method: str
) -> dict[str, Any]:
    world, api, calls = lines.world, lines.api, lines.calls
    latency, waf, authorizer, integration = (
        max(int(column[place]), 0)
        for column in (calls.latency_ms, calls.waf_ms, calls.authorizer_ms, calls.integration_ms)
    )
    status = int(calls.status[place])
    start = int(calls.at_ms[place])
    own = latency - waf - authorizer - integration
    asked = start + own // 2 + waf
    salt = int(lines.bits[place, 3])
    ids = [format(salt ^ (number * 0x9E3779B97F4A7C15 & (1 << 64) - 1), "016x") for number in range(1, 9)]
    gateway: dict[str, Any] = {
        "id": ids[0],
        "name": f"{api.name}/{api.stage}",
        "trace_id": trace,
        "origin": "AWS::ApiGateway::Stage",
        "resource_arn": f"arn:aws:apigateway:{world.region}::/restapis/{api.id}/stages/{api.stage}",
        **_times(start, start + latency),
        "http": {
            "request": {
                "url": f"https://{host(world, api)}{path}",
                "method": method,
                "user_agent": AGENTS[int(calls.agent[place])],
                "client_ip": address,
                "x_forwarded_for": True,
            },
            "response": {"status": status, "content_length": 0},
        },
        "aws": {
            "api_gateway": {
                "account_id": world.account,
                "rest_api_id": api.id,
                "stage": api.stage,
                "request_id": request,
            }
        },
        "annotations": {"aws:api_id": api.id, "aws:api_stage": api.stage},
        "metadata": {"default": {"extended_request_id": extended, "request_id": request}},
        **_flags(status),
        "subsegments": [],
    }
    segments = [gateway]
    if authorizer > 0:
        gateway["subsegments"].append(_call(world, ids[1], authorizer_name(api), asked, asked + authorizer, 200))
    if calls.integration_ms[place] >= 0:
        route = api.routes[int(calls.route[place])]
        begun = asked + authorizer
        function = function_name(api, route)
        answered = int(calls.integration_status[place])
        gateway["subsegments"].append(_call(world, ids[2], function, begun, begun + integration, 200))
        if answered >= 0:
            cold, down = int(calls.cold_ms[place]), int(calls.downstream_ms[place])
            segments += _function(trace, ids[2:], function, route, (begun, begun + integration), cold, down, answered)
    return {
        "Id": trace,
        "Duration": latency / 1000,
        "LimitExceeded": False,
        "Segments": [{"Id": one["id"], "Document": orjson.dumps(one).decode()} for one in segments],
    }


def _function(
    trace: str, ids: list[str], function: str, route: Route, at: tuple[int, int], cold: int, down: int, status: int
) -> list[dict[str, Any]]:
    """The Lambda service's segment and the function's: first the cold start, then the code with what it calls."""
    start, end = at
    begun = min(start + cold, end)
    inside: list[dict[str, Any]] = []
    if cold:
        inside.append({"id": ids[3], "name": "Initialization", **_times(start, begun)})
    body: dict[str, Any] = {"id": ids[4], "name": "Invocation", **_times(begun, end)}
    if down >= 0 and route.downstream is not None:
        wait = max(end - begun - down, 0) // 3
        one: dict[str, Any] = {"id": ids[5], **_times(begun + wait, min(begun + wait + down, end))}
        if route.downstream.endswith("-table"):
            table = {"table_name": route.downstream, "operation": "Query"}
            one |= {"name": "DynamoDB", "namespace": "aws", "aws": table}
        else:
            asked = {"url": f"https://{route.downstream}/v1/charge", "method": "POST"}
            http = {"request": asked, "response": {"status": 200}}
            one |= {"name": route.downstream, "namespace": "remote", "http": http}
        body["subsegments"] = [one]
    inside.append(body)
    service = {
        "id": ids[2],
        "parent_id": ids[0],
        "trace_id": trace,
        "name": function,
        "origin": "AWS::Lambda",
        **_times(start, end),
        "http": {"response": {"status": 200}},
    }
    code = {
        "id": ids[1],
        "parent_id": service["id"],
        "trace_id": trace,
        "name": function,
        "origin": "AWS::Lambda::Function",
        **_times(begun, end),
        **_flags(status),
        "subsegments": inside,
    }
    return [service, code]


def _call(world: World, ident: str, function: str, start: int, end: int, status: int) -> dict[str, Any]:
    arn = f"arn:aws:lambda:{world.region}:{world.account}:function:{function}"
    return {
        "id": ident,
        "name": "Lambda",
        "namespace": "aws",
        **_times(start, end),
        "http": {
            "request": {
                "url": f"https://lambda.{world.region}.amazonaws.com/2015-03-31/functions/{arn}/invocations",
                "method": "POST",
            },
            "response": {"status": status, "content_length": 0},
        },
        "aws": {"function_name": function, "region": world.region, "operation": "Invoke", "resource_names": [function]},
    }


def _times(start_ms: int, end_ms: int) -> dict[str, float]:
    return {"start_time": start_ms / 1000, "end_time": end_ms / 1000}


def _flags(status: int) -> dict[str, bool]:
    if status >= 500:
        return {"fault": True}
    if status >= 400:
        return {"error": True, "throttle": True} if status == 429 else {"error": True}
    return {}
