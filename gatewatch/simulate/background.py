"""Ordinary traffic of one chunk: who calls what, how it is answered, and how long that takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from gatewatch.simulate import sidelines, tokens
from gatewatch.simulate.calls import TIMEOUT_MS, Calls, answer, joined, refuse
from gatewatch.simulate.clients import put_clients, show_clients
from gatewatch.simulate.demand import knots, local_date, local_ms, per_minute
from gatewatch.simulate.model import DAY_MS, HOUR_MS, MINUTE_MS, Api, Chunk, Floats, Ints, Mask, Settings, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.people import uniform

CACHE_HITS = 0.72
AUTHORIZER_CACHED = 0.8
LOAD_EXPONENT = 0.06
"""Latency grows with the load to this power."""

WANDER = 0.03
"""Standard deviation (log scale) of what all latencies of an API share in a quarter of an hour."""

DRIFT = 0.05
"""The same of what they share for hours: knots six hours apart, straight lines between them."""

_CLIENT_ERRORS = (404, 400, 409, 422, 403)
_CLIENT_ERROR_SHARES = (0.52, 0.26, 0.1, 0.1, 0.02)
_SERVER_ERRORS = (500, 502, 503)
_SERVER_ERROR_SHARES = (0.7, 0.2, 0.1)


def background(world: World, chunk: Chunk) -> Calls:
    """All calls of the chunk as they would be without incidents, in order of time."""
    rng = world.rng("background", chunk.api.index, chunk.number)
    calls = _ordinary(world, chunk, rng)
    parts = [
        calls,
        sidelines.health_checks(world, chunk, rng),
        sidelines.scanners(world, chunk, rng),
        sidelines.nightly(world, chunk, rng),
    ]
    for part in parts[1:]:
        fill(world, chunk.api, part, rng, refused_too=False)
    parts.append(sidelines.stragglers(world, chunk, rng))
    parts += tokens.aftermath(world, chunk, calls, rng)
    return joined([part.take(part.during(chunk.start_ms, chunk.end_ms)) for part in parts]).in_order()


def _ordinary(world: World, chunk: Chunk, rng: np.random.Generator) -> Calls:
    api = chunk.api
    devices = api.audience == "devices"
    at, who = sidelines.device_beats(world, chunk, rng) if devices else (_times(world, chunk, rng), None)
    calls = Calls.blank(at)
    weights = np.array([route.weight for route in api.routes])
    calls.route[:] = np.searchsorted(np.cumsum(weights), rng.random(len(calls)) * weights.sum(), side="right")
    kept = _open(api, calls)
    calls = calls.take(kept)
    if who is None:
        put_clients(world, api, calls, rng)
    else:
        show_clients(world, api, calls, who[kept])
    calls.path[:] = rng.integers(1, 9_974, len(calls))
    fill(world, api, calls, rng)
    return calls


def _times(world: World, chunk: Chunk, rng: np.random.Generator) -> Ints:
    """When the calls of the chunk begin: counts of minutes are gamma-Poisson."""
    mean = per_minute(world, chunk.api, chunk.start_ms, chunk.end_ms)
    shape = np.maximum(mean, 1e-9) / max(chunk.api.dispersion - 1, 1e-3)
    counts = rng.poisson(rng.gamma(shape, max(chunk.api.dispersion - 1, 1e-3)))
    minutes = chunk.start_ms + np.arange(len(mean), dtype=np.int64) * MINUTE_MS
    found: Ints = np.repeat(minutes, counts) + rng.integers(0, MINUTE_MS, int(counts.sum()))
    return found


def _open(api: Api, calls: Calls) -> Ints:
    """Calls of routes that are in use at that local time; the others are not made."""
    if not any(route.hours != (0, 24) or route.monthly for route in api.routes):
        return np.arange(len(calls))
    local = local_ms(api.timezone, calls.at_ms)
    hour = local % DAY_MS // HOUR_MS
    first = np.array([day for day in np.unique(local // DAY_MS).tolist() if local_date(day).day == 1], dtype=np.int64)
    keep = np.ones(len(calls), dtype=np.bool_)
    for number, route in enumerate(api.routes):
        mine = calls.route == number
        keep &= ~mine | ((hour >= route.hours[0]) & (hour < route.hours[1]))
        if route.monthly:
            keep &= ~mine | np.isin(local // DAY_MS, first)
    found: Ints = np.flatnonzero(keep)
    return found


def fill(world: World, api: Api, calls: Calls, rng: np.random.Generator, *, refused_too: bool = True) -> None:
    """Give calls of known routes their layers, times, sizes and statuses, as an ordinary day would.

    route, at_ms and clients are set already; calls of unknown routes are refused. For scenarios that add calls, too:
    set what is wrong with them afterwards. refused_too: also the usual share of mistakes of clients and servers.
    """
    n = len(calls)
    if not n:
        return
    _sizes(api, calls, rng)
    _latencies(world, api, calls, rng)
    unknown = calls.route < 0
    refuse(api, calls, unknown, Outcome.NO_ROUTE, rng)
    calls.integration_status[~unknown & ~calls.cached] = 200
    created = np.isin(calls.route, [i for i, route in enumerate(api.routes) if route.method == "POST"])
    calls.status[created & ~unknown] = 201 if api.kind != "websocket" else 200
    calls.integration_status[created & ~unknown] = calls.status[created & ~unknown]
    late = calls.integration_ms > TIMEOUT_MS
    refuse(api, calls, late, Outcome.INTEGRATION_TIMEOUT, rng)
    if refused_too:
        _mistakes(api, calls, ~unknown & ~late & ~calls.cached, rng)


def _sizes(api: Api, calls: Calls, rng: np.random.Generator) -> None:
    median = np.array([max(route.bytes_median, 1.0) for route in api.routes])[calls.route]
    sigma = np.array([route.bytes_sigma for route in api.routes])[calls.route]
    calls.bytes[:] = np.minimum(np.maximum(median * np.exp(sigma * rng.standard_normal(len(calls))), 1), 9_500_000)


def _latencies(world: World, api: Api, calls: Calls, rng: np.random.Generator) -> None:
    n = len(calls)
    of = [route.latency for route in api.routes]
    place = calls.route

    def column(name: str) -> Floats:
        values: Floats = np.array([getattr(latency, name) for latency in of], dtype=np.float64)[place]
        return values

    second = rng.random(n) < column("slow_share")
    median = np.where(second, column("slow_ms"), column("median_ms"))
    ms = median * np.exp(column("sigma") * rng.standard_normal(n))
    tail = rng.random(n) < column("tail_share")
    ms[tail] *= np.minimum((1 - rng.random(int(tail.sum()))) ** (-1 / column("tail_alpha")[tail]), 40.0)
    ms *= load_factor(world, api, calls.at_ms)
    ms += column("ms_per_kb") * calls.bytes / 1024
    quiet = np.minimum(max(1.0, 2.0 / max(api.rate_rps, 0.05)), 12.0)
    cold = rng.random(n) < column("cold_share") * quiet
    calls.cold_ms[cold] = column("cold_ms")[cold] * np.exp(0.25 * rng.standard_normal(int(cold.sum())))
    calls.integration_ms[:] = np.maximum(np.minimum(ms, 10_000_000), 1) + calls.cold_ms
    down = np.array([route.downstream is not None for route in api.routes])[place]
    share = rng.uniform(0.35, 0.75, n)
    calls.downstream_ms[down] = ((calls.integration_ms - calls.cold_ms) * share)[down]
    if api.cache:
        cacheable = np.array([route.cacheable for route in api.routes])[place]
        calls.cached[:] = cacheable & (rng.random(n) < CACHE_HITS)
        for name, absent in (("integration_ms", -1), ("integration_status", -1), ("downstream_ms", -1), ("cold_ms", 0)):
            getattr(calls, name)[calls.cached] = absent
    if api.waf:
        calls.waf_ms[:] = rng.integers(1, 5, n)
    asked = np.array([route.auth in ("lambda", "jwt") for route in api.routes])[place]
    asked &= (calls.route >= 0) & (api.kind != "http")
    fresh = rng.lognormal(np.log(api.authorizer_ms), 0.35, n)
    calls.authorizer_ms[asked] = np.where(rng.random(n) < AUTHORIZER_CACHED, 0, np.maximum(fresh, 1))[asked]
    own = 1 + rng.lognormal(np.log(2.2), 0.45, n)
    hiccup = rng.random(n) < 0.0015
    own[hiccup] *= 12
    calls.latency_ms[:] = own
    for part in (calls.integration_ms, calls.authorizer_ms, calls.waf_ms):
        calls.latency_ms += np.maximum(part, 0)


def load_factor(world: World, api: Api, at_ms: Ints) -> Floats:
    """By how much everything is slower than its median just then: load of the hour, and a common wandering."""
    hours, places = np.unique(at_ms // HOUR_MS, return_inverse=True)
    load = np.array([_load(_Hour(world.settings, api, hour, world)) for hour in hours.tolist()])
    relative = np.maximum(load / max(api.rate_rps * 60, 1e-9), 0.02) ** LOAD_EXPONENT
    quarter = at_ms // (15 * MINUTE_MS)
    wobble = np.sqrt(12) * (uniform(world.seed, api.index, 5, quarter) - 0.5)
    drift = knots(world.seed, api.index, 3, at_ms, 6 * HOUR_MS)
    found: Floats = relative[places] * np.exp(WANDER * wobble + DRIFT * drift)
    return found


@dataclass(frozen=True, slots=True)
class _Hour:
    """An hour (since the epoch) of an API: asked for once for each block of planted calls, so remembered."""

    settings: Settings
    api: Api
    number: int
    world: World = field(compare=False)


@lru_cache(maxsize=4096)
def _load(hour: _Hour) -> float:
    """Expected calls of the hour's first minute."""
    start_ms = hour.number * HOUR_MS
    return float(per_minute(hour.world, hour.api, start_ms, start_ms + MINUTE_MS)[0])


def _mistakes(api: Api, calls: Calls, could: Mask, rng: np.random.Generator) -> None:
    """The everyday share of 4xx and 5xx of back ends, and of requests without a token or with a bad body."""
    n = len(calls)
    drawn = rng.random(n)
    client = np.array([route.client_errors for route in api.routes])[calls.route]
    server = np.array([route.server_errors for route in api.routes])[calls.route]
    for codes, shares, hit in (
        (_CLIENT_ERRORS, _CLIENT_ERROR_SHARES, could & (drawn < client)),
        (_SERVER_ERRORS, _SERVER_ERROR_SHARES, could & (drawn >= client) & (drawn < client + server)),
    ):
        chosen = rng.choice(len(codes), n, p=shares)
        for place, code in enumerate(codes):
            answer(calls, hit & (chosen == place), code)
    left = could & (drawn >= client + server)
    again = rng.random(n)
    token = np.array([route.auth in ("jwt", "lambda") for route in api.routes])[calls.route]
    refuse(api, calls, left & token & (again < 0.003), Outcome.TOKEN_MISSING, rng)
    refuse(api, calls, left & token & (again >= 0.003) & (again < 0.0036), Outcome.TOKEN_MALFORMED, rng)
    if api.kind == "rest":
        posted = np.array([route.method in ("POST", "PUT") for route in api.routes])[calls.route]
        refuse(api, calls, left & posted & (again > 0.998), Outcome.BAD_BODY, rng)
    if api.waf:
        refuse(api, calls, left & (again > 0.9994), Outcome.WAF_BLOCK, rng)
