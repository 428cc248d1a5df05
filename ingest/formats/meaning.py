"""What the values of a set of keys are: names propose (names.py), values decide."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from ingest.formats.names import DURATION, INTEGRATION_DURATION, ROUTE, TIME, variable_of
from ingest.jsonline import Leaf, Path, as_text

_TRIED = 40

_CLF = re.compile(r"\d{1,2}/[A-Za-z]{3}/\d{4}:\d\d:\d\d:\d\d")
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_SECONDS = re.compile(r"[12]\d{9}(\.\d+)?|[12]\.\d+[eE]\+?9")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE]-?\d+)?")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]*[.:][0-9A-Fa-f:.]*")
_PEER = re.compile(r"\d+\.\d+\.\d+\.\d+:\d+|\[[0-9A-Fa-f:.]+\]:\d+")


def meanings(samples: Sequence[Mapping[Path, Leaf]]) -> dict[str, Path]:
    """variable -> path, for lines that all have the same keys. Each path stands for one variable, the surest one."""
    best: dict[str, tuple[tuple[int, int, int], Path]] = {}
    for order, path in enumerate(samples[0]):
        keys = tuple(step for step in path if isinstance(step, str))
        proposed = (
            variable_of(keys) if keys and all(step in ("", 0) for step in path if isinstance(step, int)) else None
        )
        if proposed is None:
            continue
        values = [
            text
            for sample in samples[:_TRIED]
            if (text := as_text(sample[path])) is not None and text.strip() not in ("", "-")
        ]
        variable = _decide(proposed[0], keys, values)
        if variable is not None:
            rank = (0 if values else 1, proposed[1], order)
            if variable not in best or rank < best[variable][0]:
                best[variable] = (rank, path)
    found = {variable: path for variable, (_, path) in best.items()}
    return _together(found)


def _together(found: dict[str, Path]) -> dict[str, Path]:
    """What only all keys together tell."""
    if "integrationStatus" in found and "integration.status" not in found and "integration.integrationStatus" in found:
        # Beside the status of the Lambda service this can only be the function's own.
        found["integration.status"] = found.pop("integrationStatus")
    if "requestTimeEpoch" in found or "requestTime" in found:
        found.pop("x.time", None)
    if "domainName" in found and _GATEWAY.isdisjoint(found):
        found["x.api"] = found["domainName"]
    return found


_GATEWAY = {"apiId", "stage", "extendedRequestId", "routeKey", "resourcePath"}


def _decide(proposed: str, keys: tuple[str, ...], values: Sequence[str]) -> str | None:
    """The variable that these values (absent ones left out) can be; None: none after all."""
    decide = _DECISIONS.get(proposed)
    return decide(keys, values) if decide is not None else proposed


def _mostly(expression: re.Pattern[str], values: Sequence[str]) -> bool:
    """Whether at least half of the values look so; true when there are none."""
    return 2 * sum(expression.fullmatch(value) is not None for value in values) >= len(values)


def _if(expression: str, variable: str) -> Callable[[tuple[str, ...], Sequence[str]], str | None]:
    compiled = re.compile(expression)
    return lambda _, values: variable if _mostly(compiled, values) else None


def _time(keys: tuple[str, ...], values: Sequence[str]) -> str | None:
    if not values:
        exact = keys[-1]
        return exact if exact in {"requestTime", "requestTimeEpoch"} else None
    half = len(values) / 2
    if sum(len(value) == 13 and value.isdigit() for value in values) >= half:
        return "requestTimeEpoch"
    if sum(_CLF.match(value) is not None for value in values) >= half:
        return "requestTime"
    if sum((_ISO.match(value) or _SECONDS.fullmatch(value)) is not None for value in values) >= half:
        return "x.time"
    # nginx calls the seconds that a request took request_time.
    return _duration(keys, values) if "." in values[0] and _mostly(_NUMBER, values) else None


def _seconds(values: Sequence[str]) -> bool:
    return any("." in value or "e" in value.lower() for value in values) and max(map(float, values)) < 100


def _duration(keys: tuple[str, ...], values: Sequence[str]) -> str | None:
    return _span(keys, values, "responseLatency", "x.duration_s")


def _integration(keys: tuple[str, ...], values: Sequence[str]) -> str | None:
    return _span(keys, values, "integration.latency", "x.integration_s")


def _span(keys: tuple[str, ...], values: Sequence[str], ms: str, seconds: str) -> str | None:
    numbers = [value for value in values if _NUMBER.fullmatch(value)]
    if 2 * len(numbers) < len(values):
        return None
    if keys[-1] in {"responseLatency", "integrationLatency"}:
        return ms
    named = keys[-1].lower().endswith(("seconds", "_s", "secs")) or keys[-1].endswith("S")
    return seconds if named or (numbers and _seconds(numbers)) else ms


def _route(_: tuple[str, ...], values: Sequence[str]) -> str | None:
    return "resourcePath" if any(value.startswith("/") for value in values) else "routeKey"


def _path(_: tuple[str, ...], values: Sequence[str]) -> str | None:
    if any(re.match(r"[A-Z]+ /|\$(?:default|connect|disconnect)$", value) for value in values):
        return "routeKey"
    if any(re.search(r"/\{[A-Za-z_][\w.-]*\+?\}(?:/|$)", value) for value in values):
        return "resourcePath"
    return "x.url" if any("?" in value or "://" in value for value in values) else "path"


def _address(_: tuple[str, ...], values: Sequence[str]) -> str | None:
    if any("," in value for value in values):
        return "x.forwarded"
    if values and _mostly(_PEER, values):
        return "x.client_port"
    return "identity.sourceIp" if _mostly(_ADDRESS, values) or _hosts(values) else None


def _hosts(values: Sequence[str]) -> bool:
    """Host names and test addresses (`test-invoke-source-ip`) where an address should be."""
    return _mostly(re.compile(r"[A-Za-z0-9.-]+"), values)


def _trace(_: tuple[str, ...], values: Sequence[str]) -> str:
    return "xrayTraceId" if any(value.startswith(("1-", "Root=")) for value in values) else "x.trace"


def _request_id(keys: tuple[str, ...], values: Sequence[str]) -> str | None:
    sure = keys[-1].lower() != "id" or len(keys) > 1
    return "requestId" if sure or _mostly(re.compile(r"[A-Za-z0-9=_+/-]{8,}"), values) else None


_DECISIONS: dict[str, Callable[[tuple[str, ...], Sequence[str]], str | None]] = {
    TIME: _time,
    DURATION: _duration,
    "responseLatency": _duration,
    INTEGRATION_DURATION: _integration,
    "integration.latency": _integration,
    ROUTE: _route,
    "path": _path,
    "identity.sourceIp": _address,
    "x.trace": _trace,
    "requestId": _request_id,
    "status": _if(r"\d{3}", "status"),
    "responseLength": _if(r"\d+", "responseLength"),
    "error.responseType": _if(r"[A-Z][A-Z0-9_]+", "error.responseType"),
    "eventType": _if(r"CONNECT|MESSAGE|DISCONNECT", "eventType"),
    "accountId": _if(r"\d{12}", "accountId"),
    "identity.accountId": _if(r"\d{12}", "identity.accountId"),
    "x.api_type": _if(r"(?i)rest|http|websocket", "x.api_type"),
    "x.region": _if(r"[a-z]{2}(?:-[a-z]+)+-\d", "x.region"),
    "x.request": _if(r"\S+ \S+(?: HTTP/[\d.]+)?", "x.request"),
    "x.client_port": _if(_PEER.pattern, "x.client_port"),
}
