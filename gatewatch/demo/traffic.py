"""What the gateways of the demo see: calls as columns, drawn from a seeded generator."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from gatewatch.demo.world import GREEDY_KEY, HOURS, Api, Incident, epoch_ms, incidents_of

Ints: TypeAlias = npt.NDArray[np.int64]

_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_2 like Mac OS X) AppleWebKit/605.1.15 Version/19.2 Mobile Safari/604.1",
    "shop-app/4.2 (Android 16)",
    "okhttp/5.1.0",
    "python-requests/2.32",
)


@dataclass(slots=True)
class Calls:
    """Columns of calls, one element a call, in no order. at_ms: UTC epoch; route: index; -1 in a latency: none."""

    at_ms: Ints
    route: Ints
    status: Ints
    ms: Ints
    integration_ms: Ints
    integration_status: Ints
    client: list[str]
    key: list[str]
    agent: list[str]
    error_type: list[str]
    error: list[str]
    authorizer_error: list[str]


def calls_of(api: Api, end: datetime, seed: int, scale: float) -> tuple[Calls, np.random.Generator]:
    """Every call of an API in order of time, and the generator to go on drawing from."""
    random = np.random.default_rng([seed, zlib.crc32(api.id.encode())])
    parts = [_calm(api, end, scale, random)]
    for incident in incidents_of(end):
        if incident.api == api.id and incident.kind in _EXTRA:
            parts.append(_EXTRA[incident.kind](incident, scale, random))
    return _joined(parts), random


def _calm(api: Api, end: datetime, scale: float, random: np.random.Generator) -> Calls:
    """Ordinary traffic of the whole time, already under the latency step and the outage where they belong."""
    minutes = np.arange(HOURS * 60, dtype=np.int64)
    first_ms = epoch_ms(end - timedelta(hours=HOURS))
    of_day = (first_ms / 60_000 + minutes) % 1440
    shape = 1 + 0.55 * np.sin((of_day - 540) / 1440 * 2 * np.pi)
    per_minute = random.poisson(api.rate * scale * shape * random.gamma(40, 1 / 40, len(minutes)))
    minute = np.repeat(minutes, per_minute)
    n = len(minute)
    at_ms = first_ms + minute * 60_000 + random.integers(0, 60_000, n)
    route = random.choice(len(api.routes), n, p=[route.share for route in api.routes])
    integration_ms = _latencies(api, route, random)
    status = _statuses(api, route, random)
    for incident in incidents_of(end):
        if incident.api != api.id:
            continue
        during = at_ms >= epoch_ms(incident.start)
        if incident.kind == "latency_outlier":
            slow = during & (route == 2)
            integration_ms[slow] = (integration_ms[slow] * 6.5).astype(np.int64)
        elif incident.kind == "dead_api":  # first every answer is a 502, then nobody calls any more
            status[during] = 502
    clients = _pool(api.clients, zlib.crc32(api.id.encode()) & 0xFFFF)
    chosen = np.minimum(random.zipf(1.3, n) - 1, api.clients - 1)
    keys = [f"k{api.id[:4]}{number:04d}" for number in range(20)]
    refused, gone = status == 429, status == 502
    calls = Calls(
        at_ms,
        route,
        status,
        integration_ms + random.integers(2, 9, n),
        np.where(refused, -1, integration_ms),
        np.where(refused, -1, status),
        [clients[number] for number in chosen.tolist()],
        [keys[number % 20] for number in chosen.tolist()],
        [_AGENTS[number % len(_AGENTS)] for number in chosen.tolist()],
        ["INTEGRATION_FAILURE" if bad else "-" for bad in gone.tolist()],
        ["Internal server error" if bad else "-" for bad in gone.tolist()],
        ["-"] * n,
    )
    silent = [
        epoch_ms(i.start + timedelta(minutes=25)) for i in incidents_of(end) if (i.api, i.kind) == (api.id, "dead_api")
    ]
    return _only(calls, at_ms < silent[0]) if silent else calls


def _stuffing(incident: Incident, scale: float, random: np.random.Generator) -> Calls:
    """Logins from 250 addresses with stolen pairs: the back end refuses all of them, each address tries a few."""
    at_ms = _burst(incident, 140 * scale, random)
    n = len(at_ms)
    integration_ms = random.lognormal(np.log(110), 0.25, n).astype(np.int64)
    refused = np.full(n, 401, dtype=np.int64)
    attackers = [f"198.18.{number // 8}.{number % 8 * 30 + 5}" for number in range(250)]
    return Calls(
        at_ms,
        np.zeros(n, dtype=np.int64),
        refused,
        integration_ms + 4,
        integration_ms,
        refused,
        [attackers[number] for number in random.integers(0, len(attackers), n).tolist()],
        ["-"] * n,
        ["python-requests/2.32"] * n,
        ["-"] * n,
        ["-"] * n,
        ["-"] * n,
    )


def _storm(incident: Incident, scale: float, random: np.random.Generator) -> Calls:
    """One key far above its plan: nine of ten calls are throttled, and each refusal is tried again at once."""
    at_ms = _burst(incident, 260 * scale, random)
    n = len(at_ms)
    refused = random.random(n) < 0.9
    integration_ms = np.where(refused, -1, random.lognormal(np.log(45), 0.3, n).astype(np.int64))
    return Calls(
        at_ms,
        np.zeros(n, dtype=np.int64),
        np.where(refused, 429, 200),
        np.where(refused, 3, integration_ms + 4),
        integration_ms,
        np.where(refused, -1, 200),
        ["203.0.113.77"] * n,
        [GREEDY_KEY] * n,
        ["batch-export/1.0"] * n,
        ["THROTTLED" if bad else "-" for bad in refused.tolist()],
        ["Too Many Requests" if bad else "-" for bad in refused.tolist()],
        ["-"] * n,
    )


_EXTRA: dict[str, Callable[[Incident, float, np.random.Generator], Calls]] = {
    "auth_failure_spike": _stuffing,
    "throttling_abuse": _storm,
}


def _burst(incident: Incident, per_minute: float, random: np.random.Generator) -> Ints:
    """Times of a burst that comes and goes within a minute or two."""
    assert incident.end is not None
    start, end = epoch_ms(incident.start), epoch_ms(incident.end)
    count = int(random.poisson(per_minute * (end - start) / 60_000))
    return random.integers(start, end, count)


def _latencies(api: Api, route: Ints, random: np.random.Generator) -> Ints:
    middle = np.log([item.ms for item in api.routes])[route]
    spread = np.array([item.spread for item in api.routes])[route]
    values: Ints = np.maximum(random.lognormal(middle, spread), 1).astype(np.int64)
    return values


def _statuses(api: Api, route: Ints, random: np.random.Generator) -> Ints:
    drawn = random.random(len(route))
    client = np.array([item.client_errors for item in api.routes])[route]
    server = np.array([item.server_errors for item in api.routes])[route]
    status: Ints = np.select([drawn < server, drawn < server + client], [500, 404], 200).astype(np.int64)
    return status


def _pool(size: int, tag: int) -> list[str]:
    """Addresses of the documentation ranges; every fourth an IPv6 one."""
    nets = ("192.0.2", "198.51.100", "203.0.113")
    return [
        f"2001:db8:{tag:x}::{number:x}" if number % 4 == 3 or number >= 700 else f"{nets[number % 3]}.{number // 3 + 1}"
        for number in range(size)
    ]


def _joined(parts: Sequence[Calls]) -> Calls:
    columns: dict[str, Any] = {}
    for name in Calls.__dataclass_fields__:
        values = [getattr(part, name) for part in parts]
        columns[name] = (
            np.concatenate(values)
            if isinstance(values[0], np.ndarray)
            else [item for value in values for item in value]
        )
    joined = Calls(**columns)
    order = np.argsort(joined.at_ms, kind="stable")
    return _only(joined, order)


def _only(calls: Calls, chosen: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Calls:
    """The calls at these places, or where the mask is set."""
    places = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
    listed = places.tolist()
    columns: dict[str, Any] = {}
    for name in Calls.__dataclass_fields__:
        value = getattr(calls, name)
        columns[name] = value[places] if isinstance(value, np.ndarray) else [value[place] for place in listed]
    return Calls(**columns)
