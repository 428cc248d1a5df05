"""Calls as the log lines that API Gateway would write: text pasted into the stage's own template."""

from __future__ import annotations

import gzip
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from gatewatch.demo.traffic import Calls, Ints
from gatewatch.demo.world import CLF, Api


def write_logs(api: Api, calls: Calls, logs: Path, random: np.random.Generator) -> int:
    """One file an hour, every second one gzipped; returns the number of lines."""
    folder = logs / api.id / api.stage.strip("$")
    folder.mkdir(parents=True, exist_ok=True)
    hour = calls.at_ms // 3_600_000
    edges = np.flatnonzero(np.diff(hour, prepend=-1))
    lines = list(_lines(api, calls, random))
    for start, stop in zip(edges.tolist(), [*edges.tolist()[1:], len(lines)], strict=True):
        name = datetime.fromtimestamp(int(hour[start]) * 3600, UTC).strftime("%Y-%m-%d-%H.log")
        body = "".join(lines[start:stop]).encode()
        if hour[start] % 2:
            (folder / f"{name}.gz").write_bytes(gzip.compress(body, 6, mtime=0))
        else:
            (folder / name).write_bytes(body)
    return len(lines)


def _lines(api: Api, calls: Calls, random: np.random.Generator) -> Iterator[str]:
    """The calls rendered through the API's own template, as the gateway does it: text pasted into text."""
    pattern, names = _compiled(api.template)
    columns = _variables(api, calls, random)
    wanted = [columns[name] for name in names]
    for values in zip(*wanted, strict=True):
        yield pattern % values


def _compiled(template: str) -> tuple[str, list[str]]:
    """The template as a %-pattern, and the variables in the order it needs them."""
    names = re.findall(r"\$context\.([A-Za-z.]*[A-Za-z])", template)
    return re.sub(r"\$context\.[A-Za-z.]*[A-Za-z]", "%s", template.replace("%", "%%")) + "\n", names


def _variables(api: Api, calls: Calls, random: np.random.Generator) -> dict[str, Iterable[object]]:
    n = len(calls.at_ms)
    raw = random.bytes(n * 20)
    ids = [raw[place : place + 20] for place in range(0, n * 20, 20)]
    extended = [b64encode(body[:11]).decode() for body in ids]
    uuids = [f"{h[:8]}-{h[8:12]}-4{h[13:16]}-8{h[17:20]}-{h[20:32]}" for h in (body.hex() for body in ids)]
    routes = [api.routes[index] for index in calls.route.tolist()]
    paths = [
        route.path.replace("{id}", str(number))
        for route, number in zip(routes, (calls.at_ms % 9973).tolist(), strict=True)
    ]
    rest = api.kind == "rest"
    seconds = calls.at_ms // 1000
    stamps = {second: _clf_time(second) for second in np.unique(seconds).tolist()} if api.template is CLF else {}
    dash = ["-"] * n
    return {
        "requestId": uuids if rest else extended,
        "extendedRequestId": extended,
        "apiId": [api.id] * n,
        "stage": [api.stage] * n,
        "identity.sourceIp": calls.client,
        "identity.caller": dash,
        "identity.user": dash,
        "identity.apiKeyId": calls.key,
        "identity.userAgent": calls.agent,
        "requestTimeEpoch": calls.at_ms.tolist(),
        "requestTime": [stamps[second] for second in seconds.tolist()] if stamps else dash,
        "httpMethod": [route.method for route in routes],
        "resourcePath": [route.path for route in routes],
        "routeKey": [route.path if api.kind == "websocket" else f"{route.method} {route.path}" for route in routes],
        "eventType": [route.method for route in routes],
        "connectionId": extended,
        "path": paths,
        "protocol": ["HTTP/1.1"] * n,
        "status": calls.status.tolist(),
        "responseLength": random.integers(40, 4000, n).tolist(),
        "responseLatency": calls.ms.tolist(),
        "integration.latency": _dashed(calls.integration_ms),
        "integration.status": _dashed(calls.integration_status),
        "error.responseType": calls.error_type,
        "error.message": calls.error,
        "authorizer.error": calls.authorizer_error,
        "authorizer.claims.sub": dash,
    }


def _dashed(values: Ints) -> list[object]:
    return [value if value >= 0 else "-" for value in values.tolist()]


def _clf_time(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
